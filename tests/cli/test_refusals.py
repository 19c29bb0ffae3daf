"""Expected errors: one sentence on the error stream, exit code 2, no traceback, nothing half made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec
from diorama.data import DatasetWriter
from diorama.policies import ActorConfig, build, save
from diorama.recipes.run_folder import RunFolder

NUMBER = {"dtype": "float32", "shape": [2], "names": None}
PICTURE = {"dtype": "image", "shape": [8, 8, 3], "names": ["height", "width", "channels"]}


@pytest.fixture
def refused(diorama, capsys):
    """Runs a command that must be refused and gives its sentence."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        assert diorama(*arguments) == 2
        sentence = capsys.readouterr().err
        assert sentence.startswith("error: ") and sentence.count("\n") == 1 and sentence.endswith(".\n")
        return sentence

    return run


def written(folder: Path, features: dict, columns: dict) -> Path:
    with DatasetWriter(folder, fps=10, features=features, images="png") as writer:
        for _ in range(4):
            writer.append(columns, task="nothing")
    return folder


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("collect nowhere --out {tmp}/d", "No environment 'nowhere'; use one of ['ball-wall', "),
        ("collect {tmp}/none.py:World --out {tmp}/d", "There is no file"),
        ("collect gym:Nowhere-v0 --out {tmp}/d", "Gymnasium cannot make 'gym:Nowhere-v0'"),
        ("collect point-mass --out {tmp}/d --episodes 0", "--episodes is 0; give at least 1."),
        ("collect point-mass --out {tmp}/d --episodes -3", "--episodes is -3; give at least 1."),
        ("collect point-mass --out {tmp}/d --length 0", "--length is 0; give at least 1."),
        ("collect point-mass --out {tmp}/d --seed -1", "--seed is -1; seeds go from 0 to 4294967295"),
        ("collect point-mass --out {tmp}/d --seed 4294967295", "--seed is 4294967295; seeds go"),
        ("collect point-mass --out {tmp}/d --vary weight", "Unknown scenario factors ['weight']; this world has ["),
        (
            "collect point-mass --out {tmp}/d --policy play",
            "No policy is called 'play'; 'point-mass' knows random, run folders, NET.onnx",
        ),
        ("collect pendulum --out {loop}/data", "holds episodes of 'point-mass', not of 'pendulum'"),
        ("fit {tmp}/missing --out {tmp}/f", "is not a folder; give the folder that holds meta/info.json."),
        ("fit {loop}/fit --out {tmp}/f", "info.json"),
        ("fit {loop}/data --out {tmp}/f --observations pose", "no observations ['pose']; it has ['position', "),
        ("fit {loop}/data --out {tmp}/f --updates 0", "--updates is 0; give at least 1."),
        ("fit {loop}/data --out {loop}/fit --size xs", "belongs to a run with other settings (world); choose another"),
        ("fit {loop}/data --out {loop}/data", "is not empty and is no run folder; choose a new --out."),
        ("train {loop}/train --dataset {loop}/data --out {tmp}/t", "holds no world; give a run folder that has"),
        ("train {loop}/fit --dataset {tmp}/none --out {tmp}/t", "is not a folder"),
        ("train {loop}/fit --dataset {loop}/data --out {loop}/fit", "belongs to a run with other settings"),
        ("evaluate {loop}/fit --env point-mass", "holds no policy; give a run folder that has finished"),
        (
            "evaluate {tmp}/none --env point-mass",
            "/none'; 'point-mass' knows random, run folders, NET.onnx and file.py",
        ),
        ("evaluate random --env point-mass --episodes -1", "--episodes is -1; give at least 1."),
        ("evaluate random --env point-mass --seed -1", "--seed is -1"),
        ("evaluate still --env rope-coiling --length 3", "judged after 10 steps, not after 3; leave --length out."),
        ("evaluate play --env point-mass", "No policy is called 'play'; 'point-mass' knows random, run folders"),
        ("evaluate random --env point-mass --against demonstrations", "No policy is called 'demonstrations'"),
        ("run push-t --seed -1 --out {tmp}/r", "--seed is -1"),
        ("data inspect {tmp}/none", "is not a folder"),
        ("data import {tmp}/none --out {tmp}/i", "does not exist; give the file or folder to import."),
        ("data import {loop}/new/scores.json --out {tmp}/i", "is in none of the formats"),
    ],
)
def test_a_sentence_and_exit_code_two(loop, tmp_path, refused, arguments, sentence) -> None:
    kept = sorted(loop.rglob("*"))
    assert sentence in refused(*arguments.format(tmp=tmp_path, loop=loop).split())
    made = [path for path in tmp_path.rglob("*") if path.name not in {"missing", "none"}]
    assert made == [] and sorted(loop.rglob("*")) == kept


def test_a_policy_in_a_world_of_another_spec(loop, refused) -> None:
    said = refused("evaluate", loop / "train", "--env", "pendulum", "--episodes", 2)
    assert "The policy was made for 'imagined point-mass' and does not fit 'pendulum'" in said
    assert "observation 'position' is not among ['state']" in said and "the action has shape (2,), not (1,)" in said


def test_a_policy_at_another_rate(tmp_path, refused) -> None:
    spec = EnvSpec(
        "fast pendulum", {"state": ArraySpec((3,), "1")}, ArraySpec((1,), "N m", -2.0, 2.0), control_period=0.01
    )
    config = ActorConfig("nano")
    save(tmp_path, build(config, spec, 0), config, spec)
    assert "a step lasts 0.01 s, not 0.05 s" in refused("evaluate", tmp_path, "--env", "pendulum")


def test_a_world_with_a_dataset_of_another_world(loop, diorama, tmp_path, refused) -> None:
    assert diorama("collect", "pendulum", "--out", tmp_path / "swings", "--episodes", 1, "--length", 3) == 0
    said = refused("train", loop / "fit", "--dataset", tmp_path / "swings", "--out", tmp_path / "t")
    assert "The world was made for 'point-mass' and does not fit 'pendulum'" in said
    assert not (tmp_path / "t").exists()


def test_a_folder_in_use(loop, tmp_path, refused) -> None:
    with RunFolder(tmp_path / "f", {}):
        assert "Another process is working in" in refused("fit", loop / "data", "--out", tmp_path / "f")


@pytest.mark.parametrize("file", ["weights.safetensors", "artifact.json"])
def test_damaged_artifacts(loop, tmp_path, refused, file) -> None:
    shutil.copytree(loop / "fit" / "world", tmp_path / "world")
    shutil.copytree(loop / "train" / "policy", tmp_path / "policy")
    for name in ("world", "policy"):
        damaged = tmp_path / name / file
        damaged.write_bytes(damaged.read_bytes()[:-5])
    assert file in refused("train", tmp_path / "world", "--dataset", loop / "data", "--out", tmp_path / "t")
    assert file in refused("evaluate", tmp_path / "policy", "--env", "point-mass")


def test_an_artifact_of_another_kind(loop, tmp_path, refused) -> None:
    shutil.copytree(loop / "train" / "policy", tmp_path / "world")
    said = refused("train", tmp_path, "--dataset", loop / "data", "--out", tmp_path / "t")
    assert "holds a 'actor'; this loader knows" in said


def test_a_dataset_without_actions(tmp_path, refused) -> None:
    data = written(tmp_path / "d", {"observation.state": NUMBER}, {"observation.state": np.zeros((5, 2), np.float32)})
    assert "A spec needs an action" in refused("fit", data, "--out", tmp_path / "f")


def test_a_dataset_of_pictures_alone(tmp_path, refused) -> None:
    columns = {"observation.camera": np.zeros((5, 8, 8, 3), np.uint8), "action": np.zeros((5, 2), np.float32)}
    data = written(tmp_path / "d", {"observation.camera": PICTURE, "action": NUMBER}, columns)
    assert "None of ['camera'] is a vector" in refused("fit", data, "--out", tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_a_refused_command_leaves_its_folder_to_the_next(loop, diorama, tmp_path, refused) -> None:
    out = ("--out", tmp_path / "f", "--size", "nano", "--updates", 100)
    (tmp_path / "f").mkdir()
    assert "no observations" in refused("fit", loop / "data", *out, "--observations", "pose")
    assert diorama("fit", loop / "data", *out) == 0


def test_scores_that_cannot_be_written(tmp_path, refused) -> None:
    (tmp_path / "file").touch()
    said = refused(
        "evaluate", "random", "--env", "counter", "--episodes", 2, "--length", 2, "--out", tmp_path / "file/x"
    )
    assert "mend that and run the same command again" in said


def test_one_episode_has_no_interval_and_says_so(diorama, tmp_path, capsys) -> None:
    out = tmp_path / "scores.json"
    assert diorama("evaluate", "random", "--env", "counter", "--episodes", 1, "--length", 3, "--out", out) == 0
    assert "3.000 [-inf, inf]" in capsys.readouterr().out
    estimate = json.loads(out.read_text())[0]["estimates"]["return"]
    assert estimate["value"] == 3.0 and estimate["method"] == "none (one episode)"


def test_an_unknown_verb_is_refused_by_the_parser(diorama) -> None:
    with pytest.raises(SystemExit) as stop:
        diorama("dream")
    assert stop.value.code == 2


def test_help_lists_the_verbs(diorama, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        diorama()
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert all(verb in said for verb in ("run", "collect", "fit", "train", "evaluate", "data"))
