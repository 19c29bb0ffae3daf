"""Each kind of model through the command line, at size nano: vectors, pictures, both, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from diorama.data import DatasetWriter
from diorama.models import load as load_model

FEATURES = {
    "observation.camera": {"dtype": "image", "shape": [8, 8, 3], "names": ["height", "width", "channels"]},
    "observation.place": {"dtype": "float32", "shape": [1], "names": None},
    "action": {"dtype": "float32", "shape": [1], "names": None},
    "next.reward": {"dtype": "float32", "shape": [1], "names": None},
}
QUICK = ("--size", "nano", "--updates", 6, "--window", 4)


@pytest.fixture(scope="module")
def swings(tmp_path_factory, diorama) -> Path:
    data = tmp_path_factory.mktemp("swings") / "data"
    assert diorama("collect", "pendulum", "--out", data, "--episodes", 8, "--length", 12) == 0
    return data


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> Path:
    """A lamp whose light follows the action, filmed."""
    folder, rng = tmp_path_factory.mktemp("filmed") / "data", np.random.default_rng(0)
    with DatasetWriter(folder, fps=10, features=FEATURES, images="png") as writer:
        for _ in range(6):
            action = rng.uniform(-1, 1, (9, 1)).astype(np.float32)
            place = np.concatenate([np.zeros((1, 1), np.float32), action[:-1]])
            camera = np.broadcast_to((128 + 100 * place)[:, :, None, None], (9, 8, 8, 3)).astype(np.uint8)
            columns = {"observation.camera": camera, "observation.place": place, "action": action}
            writer.append(columns | {"next.reward": place}, task="follow")
    return folder


def kind(folder: Path) -> str:
    return json.loads((folder / "world" / "artifact.json").read_text())["kind"]


@pytest.mark.parametrize("model", ["ensemble", "rssm", "diffusion"])
def test_every_model_is_fitted_to_vectors_and_examined(tmp_path, swings, diorama, model) -> None:
    out = tmp_path / "run"
    assert diorama("fit", swings, "--out", out, *QUICK, "--model", model) == 0
    assert kind(out) == model and load_model(out / "world").spec.observation.keys() == {"state"}
    assert json.loads((out / "exam.json").read_text())["horizon"][-1] == 12
    config = json.loads((out / "config.json").read_text())["world"]
    assert config["window"] == 4 and (config["fit"]["average"] == 0.999) == (model == "diffusion")
    asked = "" if model == "ensemble" else f" --model {model}"
    assert f"--size nano --seed 0{asked} --updates 6 --window 4" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (("--model", "rssm", "--observations", "camera", "place"), {"camera", "place"}),
        (("--model", "diffusion", "--network", "patches"), {"camera"}),
        (("--model", "diffusion", "--network", "patches", "--latent", "--discrete"), {"camera"}),
    ],
)
def test_pictures_are_fitted_and_no_policy_is_trained_on_them(tmp_path, filmed, diorama, capsys, options, seen) -> None:
    out = tmp_path / "run"
    assert diorama("fit", filmed, "--out", out, *QUICK, *options) == 0
    assert load_model(out / "world").spec.observation.keys() == seen
    capsys.readouterr()
    assert diorama("train", out, "--dataset", filmed, "--out", tmp_path / "policy", "--size", "nano") == 2
    assert "shows the pictures ['camera']; fit a world to vectors" in capsys.readouterr().err
    assert not (tmp_path / "policy").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--observations camera", "hybrid takes vectors, and ['camera'] are pictures; leave them out, or fit"),
        ("--model diffusion --observations camera place", "name ['place'] or ['camera'] alone, or fit an rssm"),
        (
            "--model diffusion --network unet --observations place",
            "'unet' cannot model ['place']; choose one of ['mlp'",
        ),
        ("--model rssm --network mlp", "A network is a choice of the diffusion model; leave 'mlp' out"),
        ("--discrete", "The ensemble takes actions as numbers; for choices fit an rssm or a diffusion model."),
        ("--model rssm --latent", "drawn by the diffusion model, not by 'rssm'; leave --latent out"),
        ("--model diffusion --latent --observations place", "['place'] are vectors; leave --latent out"),
        ("--window 0", "--window is 0; give at least 1."),
    ],
)
def test_what_a_model_cannot_take_is_refused(tmp_path, filmed, diorama, capsys, options, sentence) -> None:
    capsys.readouterr()
    assert diorama("fit", filmed, "--out", tmp_path / "run", *options.split()) == 2
    assert sentence in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_help_says_which_model_to_take(diorama, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        diorama("fit", "--help")
    assert stop.value.code == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Not sure which model?" in said and "--model {ensemble,rssm,diffusion,hybrid}" in said
    assert "mlp (default), transformer or reader for vectors" in said
