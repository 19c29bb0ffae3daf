"""collect, fit, train, evaluate through the command line, and what they leave on disk."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from diorama.data import Dataset
from diorama.models import load as load_model
from diorama.policies import load as load_policy


def test_the_dataset(loop) -> None:
    dataset = Dataset.open(loop / "data")
    assert dataset.num_episodes == 24 and set(dataset.lengths) == {26}
    assert len(np.unique(dataset.column("scenario.start"))) == 24


def test_the_run_folder_of_a_world(loop) -> None:
    folder = loop / "fit"
    config = json.loads((folder / "config.json").read_text())
    assert config["dataset"] == Dataset.open(loop / "data").identity
    assert config["world"]["fit"]["updates"] == 200 and config["world"]["model"]["size"] == "nano"
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in metrics] == [("fit", 100), ("fit", 200)]
    assert sorted(path.name for path in (folder / "checkpoints" / "fit").iterdir()) == [
        "step-0000000100",
        "step-0000000200",
    ]
    assert load_model(folder / "world").spec.observation.keys() == {"position", "velocity"}
    exam = json.loads((folder / "exam.json").read_text())
    assert exam["model"]["mean"][0] < exam["copy_last"]["mean"][0]


def test_the_run_folder_of_a_policy(loop, diorama, capsys) -> None:
    folder = loop / "train"
    assert json.loads((folder / "config.json").read_text())["verb"] == "train"
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [50, 100]
    load_policy(folder / "policy")
    again = ("train", loop / "fit", "--dataset", loop / "data", "--out", folder, "--size", "nano", "--updates", 100)
    assert diorama(*again) == 0
    assert "reward: learned" in capsys.readouterr().out


def test_the_scores(loop) -> None:
    ours, random = json.loads((loop / "new" / "scores.json").read_text())
    assert ours["seeds"] == random["seeds"] == list(range(100_000, 100_040)) and random["policy"] == "random"
    for record in (ours, random):
        assert record["length"] == 30 and len(record["scores"]["return"]) == 40
        assert record["estimates"]["return"]["value"] == pytest.approx(np.mean(record["scores"]["return"]), rel=1e-5)


def test_the_table_names_the_policies_and_their_paired_difference(loop, diorama, capsys) -> None:
    test = ("--env", "point-mass", "--episodes", 40, "--length", 30, "--against", "random")
    assert diorama("evaluate", loop / "train", *test) == 0
    said = capsys.readouterr().out
    interval = r"-?\d+\.\d{3} \[-?\d+\.\d{3}, -?\d+\.\d{3}\]"
    assert re.search(rf"^{re.escape(str(loop / 'train'))} +40 +{interval} *$", said, re.MULTILINE)
    assert re.search(rf"paired difference in return: {interval} \(n=40\)", said)


class Resources(HTMLParser):
    """Everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attributes if name in {"src", "href", "srcset", "data", "action"}]


def test_the_report_needs_nothing_else(loop) -> None:
    text = (loop / "fit" / "report.html").read_text()
    page = Resources()
    page.feed(text)
    assert len(page.found) == 3 and all(value.startswith("data:image/png;base64,") for value in page.found)
    assert not page.tags & {"script", "link", "iframe", "object", "base"}
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style and "http" not in text
    assert f"diorama fit {loop / 'data'} --out {loop / 'fit'} --size nano --seed 0 --updates 200" in text


def test_the_report_as_markdown(loop) -> None:
    text = (loop / "fit" / "report.md").read_text()
    figures = re.findall(r"\]\((figures/[a-z_]+\.png)\)", text)
    assert figures == [f"figures/{name}.png" for name in ("open_loop", "calibration", "learning")]
    assert all((loop / "fit" / name).read_bytes().startswith(b"\x89PNG") for name in figures)
    result = text.splitlines()[2]
    assert result.startswith("20 steps ahead") and "better than repeating the first observation" in result


def test_a_finished_world_is_not_fitted_again(loop, diorama) -> None:
    weights: Path = loop / "fit" / "world" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    assert diorama("fit", loop / "data", "--out", loop / "fit", "--size", "nano", "--updates", 200) == 0
    assert weights.stat().st_mtime_ns == before


def test_names_are_printed_as_they_are(loop, diorama, tmp_path, capsys) -> None:
    """Square brackets are Rich's markup; a folder may be called so."""
    hostile = tmp_path / "[/red][bold]data"
    assert diorama("collect", "point-mass", "--out", hostile, "--episodes", 1, "--length", 2) == 0
    assert f"1 episodes, 3 rows in {hostile}" in capsys.readouterr().out
    assert diorama("data", "inspect", hostile) == 0
    said = capsys.readouterr().out
    assert f"{hostile}: LeRobot v3.0, 10 rows a second" in said
    assert "observation.position" in said and "scenario.start" in said
