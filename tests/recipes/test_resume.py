"""20 updates are 10 and 10 more, through the run folder on disk; a finished stage is not done again."""

import json
from pathlib import Path

import pytest

from diorama.recipes.loop import EXAM, POLICY, WORLD, fit_world, imagined_from, train_policy
from diorama.recipes.run_folder import RunFolder


class StoppedError(Exception):
    pass


def stop_at_ten(report) -> None:
    if report.step == 10:
        raise StoppedError


def nothing(report) -> None:
    pass


def lines(folder: Path) -> list[dict]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in found]


def artifact(folder: Path, name: str) -> tuple[bytes, bytes]:
    return (folder / name / "artifact.json").read_bytes(), (folder / name / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, dataset, world_config) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    with RunFolder(folder, {}) as run:
        fit_world(run, dataset, world_config, nothing)
    return folder


@pytest.fixture(scope="module")
def imagined(fitted, dataset, world_config):
    with RunFolder(fitted, {}) as run:
        return imagined_from(fit_world(run, dataset, world_config, nothing), dataset)


def test_fitting_goes_on_bit_for_bit(tmp_path, fitted, dataset, world_config) -> None:
    with pytest.raises(StoppedError), RunFolder(tmp_path, {}) as run:
        fit_world(run, dataset, world_config, stop_at_ten)
    assert not (tmp_path / WORLD).exists()
    with RunFolder(tmp_path, {}) as run:
        fit_world(run, dataset, world_config, nothing)
    assert artifact(tmp_path, WORLD) == artifact(fitted, WORLD)
    assert (tmp_path / EXAM).read_bytes() == (fitted / EXAM).read_bytes()
    assert lines(tmp_path) == lines(fitted)
    assert [line["step"] for line in lines(fitted)] == [5, 10, 15, 20]


def test_training_goes_on_bit_for_bit(tmp_path, imagined, policy_config) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    with RunFolder(whole, {}) as run:
        train_policy(run, *imagined, policy_config, nothing)
    with pytest.raises(StoppedError), RunFolder(halves, {}) as run:
        train_policy(run, *imagined, policy_config, stop_at_ten)
    with RunFolder(halves, {}) as run:
        train_policy(run, *imagined, policy_config, nothing)
    assert artifact(halves, POLICY) == artifact(whole, POLICY)
    assert lines(halves) == lines(whole)
    assert [line["step"] for line in lines(whole)] == [5, 10, 15, 20]


def test_a_finished_stage_is_loaded_and_not_done_again(fitted, dataset, world_config) -> None:
    before = artifact(fitted, WORLD)

    def refuse(report) -> None:
        raise AssertionError("fitted again")

    with RunFolder(fitted, {}) as run:
        fit_world(run, dataset, world_config, refuse)
    assert artifact(fitted, WORLD) == before
