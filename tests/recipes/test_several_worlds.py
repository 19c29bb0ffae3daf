"""Several worlds of several kinds in one run folder, each with its own stage, checkpoints, artifact and exam."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from diorama.core.artifact import named_arrays
from diorama.learn.worlds import Fixed, Hypotheses
from diorama.models import Diffusion, DiffusionConfig, Ensemble
from diorama.policies import build as build_policy
from diorama.recipes.loop import fit_world, hypotheses, imagined_from, train_policy
from diorama.recipes.run_folder import RunFolder


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def drawing(world_config):
    """A diffusion world with averaged weights."""
    fit = dataclasses.replace(world_config.fit, updates=10, average=0.9)
    return dataclasses.replace(world_config, model=DiffusionConfig("nano", context=2), fit=fit)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, dataset, drawing) -> Path:
    place = tmp_path_factory.mktemp("several")
    with RunFolder(place, {}) as run:
        fit_world(run, dataset, drawing, lambda report: None, name="global")
    return place


def test_an_averaged_model_goes_on_bit_for_bit(tmp_path, folder, dataset, drawing) -> None:
    def stop(report) -> None:
        if report.step == 5:
            raise StoppedError

    with pytest.raises(StoppedError), RunFolder(tmp_path, {}) as run:
        fit_world(run, dataset, drawing, stop, name="global")
    with RunFolder(tmp_path, {}) as run:
        fit_world(run, dataset, drawing, lambda report: None, name="global")
    for name in ("global/weights.safetensors", "exam-global.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_each_world_has_its_own_place(folder, dataset, drawing, world_config) -> None:
    told: list[str] = []
    with RunFolder(folder, {}) as run:
        small = dataclasses.replace(world_config, fit=dataclasses.replace(world_config.fit, updates=5))
        local = fit_world(run, dataset, small, lambda report: told.append(report.stage))
        again = fit_world(run, dataset, drawing, lambda report: told.append(report.stage), name="global")
        assert run.finished("fit") and run.finished("fit-global")
        assert [line["step"] for line in run.metrics("fit-global")] == [5, 10]
    assert told == ["fit"] and isinstance(local, Ensemble) and isinstance(again, Diffusion)
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"fit", "fit-global"}
    assert json.loads((folder / "world" / "artifact.json").read_text())["kind"] == "ensemble"
    assert json.loads((folder / "global" / "artifact.json").read_text())["kind"] == "diffusion"
    assert (folder / "exam.json").read_bytes() != (folder / "exam-global.json").read_bytes()
    assert isinstance(hypotheses(imagined_from(local, dataset)[0]), Hypotheses)
    assert isinstance(hypotheses(imagined_from(again, dataset)[0]), Fixed)


def test_a_policy_is_trained_in_a_world_that_is_no_ensemble(folder, dataset, drawing, policy_config) -> None:
    config = dataclasses.replace(policy_config, train=dataclasses.replace(policy_config.train, updates=5))
    with RunFolder(folder, {}) as run:
        world, observation = imagined_from(
            fit_world(run, dataset, drawing, lambda report: None, name="global"), dataset
        )
        actor = train_policy(run, world, observation, config, lambda report: None)
        assert run.finished("train") == {"updates": 5}
    trained, begun = named_arrays(actor), named_arrays(build_policy(config.actor, world.spec, config.seed))
    assert any(not np.array_equal(trained[name], begun[name]) for name in begun if name.endswith("weight"))
    assert all(np.isfinite(values).all() for values in trained.values())
