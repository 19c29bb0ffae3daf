"""The conformance suites over everything that is registered: models, policies, planners, actors of tasks, datasets."""

import jax.numpy as jnp
import numpy as np
import pytest

from diorama.data import Dataset, DatasetWriter, check_dataset, features_of, trajectory_features, write_trajectories
from diorama.envs.teaching import CartPole, PointMass
from diorama.evaluate import run_episodes
from diorama.imagine import as_env
from diorama.models import BUILDERS as MODELS
from diorama.models import check_model
from diorama.policies import BUILDERS as POLICIES
from diorama.policies import Constant, RandomPolicy, check_policy
from diorama.policies.config import PlannerConfig
from diorama.policies.planners import cem, cem_then_gradient, gradient_planner, icem, mppi
from diorama.recipes.tasks import find_task

SPEC = PointMass().spec


def small(config: type) -> object:
    """The smallest configuration of a kind."""
    return config("nano") if "size" in config.__dataclass_fields__ else config()


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_every_registered_model_conforms(kind: str) -> None:
    builder = MODELS[kind]
    assert "loss" in str(check_model(builder.build(small(builder.config), SPEC, 0)))


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_every_registered_policy_conforms(kind: str) -> None:
    builder = POLICIES[kind]
    assert check_policy(builder.build(small(builder.config), SPEC, 0), SPEC).passed


@pytest.mark.parametrize("planner", [mppi, cem, icem, gradient_planner, cem_then_gradient])
def test_every_planner_conforms_in_a_learned_world(planner) -> None:
    builder = MODELS["ensemble"]
    model = builder.build(small(builder.config), SPEC, 0)
    starts = {name: jnp.zeros((1, *array.shape)) for name, array in SPEC.observation.items()}
    config = PlannerConfig(horizon=3, samples=8, elites=4, rounds=1)
    # A reward that tells the samples apart: near ties, rounding by batch size may pick another one.
    world = as_env(model, starts, reward=lambda before, action, after: -jnp.sum((action - 0.3) ** 2))
    assert check_policy(planner(world, config, model.start), SPEC).passed


def test_the_constant_policy_conforms() -> None:
    assert check_policy(Constant(jnp.zeros(2)), SPEC).passed


@pytest.mark.parametrize("name", ["play", "demonstrations"])
def test_the_actors_of_push_t_conform(name: str) -> None:
    task = find_task("push-t")
    assert check_policy(task.actor(name), task.env().spec).passed


def test_what_we_write_is_a_sound_dataset(tmp_path) -> None:
    world = CartPole()
    trajectory = run_episodes(world, RandomPolicy(world.spec), np.arange(3), 12)
    features = trajectory_features(trajectory) | features_of(world.spec)
    with DatasetWriter(tmp_path / "data", fps=50, features=features, spec=world.spec) as writer:
        write_trajectories(writer, trajectory, "balance")
    assert check_dataset(tmp_path / "data") == []
    action = Dataset.open(tmp_path / "data").spec().action
    np.testing.assert_array_equal(action.bounds(), world.spec.action.bounds())
    assert (action.unit, action.names) == ("N", ("force",))
