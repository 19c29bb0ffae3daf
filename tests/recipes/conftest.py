"""A small dataset of the point mass, and configurations of learning that take a second."""

import pytest

from diorama.data import Dataset
from diorama.learn import FirstOrderConfig, FitConfig
from diorama.models import EnsembleConfig
from diorama.policies import ActorConfig
from diorama.recipes.collecting import collect
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.tasks import find_task

FIT = FitConfig(updates=20, batch=16, chunk=5, held_out=32)
TRAIN = FirstOrderConfig(updates=20, worlds=4, horizon=4, chunk=5, critic_steps=2)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Dataset:
    return collect(
        find_task("point-mass"), "random", range(12), tmp_path_factory.mktemp("collected") / "data", length=20
    )


@pytest.fixture(scope="session")
def world_config() -> WorldConfig:
    return WorldConfig(EnsembleConfig("nano"), FIT, window=2, held_out=0.2, exam_horizon=5)


@pytest.fixture(scope="session")
def policy_config() -> PolicyConfig:
    return PolicyConfig(ActorConfig("nano"), TRAIN)
