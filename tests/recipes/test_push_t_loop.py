"""The whole Push-T loop in miniature: it runs to a report with all parts. Learning is tested elsewhere."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from diorama.cli.main import main
from diorama.core.canonical import to_json
from diorama.data import Dataset
from diorama.learn import FirstOrderConfig, FitConfig
from diorama.models import DiffusionConfig, EnsembleConfig
from diorama.policies import ActorConfig
from diorama.recipes.book import Book, Places
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.making import journalled
from diorama.recipes.presets import PUSH_T
from diorama.recipes.recorded import recorded_run, run_settings
from diorama.recipes.registering import Sources
from diorama.recipes.run_folder import RunFolder
from diorama.registry.registry import Registry

pytest.importorskip("gym_pusht")

from diorama.recipes import collecting, coupled, push_t
from diorama.studio.push_t_report import write_push_t_report

LENGTH = 30
FIT = FitConfig(updates=20, batch=16, chunk=10, held_out=32)
CONFIG = CoupledConfig(
    task="push-t",
    size="nano",
    seed=3,
    play=("play", 6),
    world=WorldConfig(
        DiffusionConfig("nano", "mlp", context=2, frame=PUSH_T.body), FIT, PUSH_T.observations, 2, 0.34, 6, 3
    ),
    local=WorldConfig(EnsembleConfig("nano", PUSH_T.body), FIT, PUSH_T.observations, 1, 0.34, 6, 3),
    policy=PolicyConfig(
        ActorConfig("nano", PUSH_T.aim),
        FirstOrderConfig(updates=4, worlds=4, horizon=4, chunk=2, critic_steps=2, refresh=1),
    ),
    patches=1,
    patch_episodes=8,
    episodes=3,
    refit=1.0,  # one program serves both rounds
)
ARTIFACTS = ("world-0", "local-0", "policy-0", "world", "local", "policy")
EXAMS = ("exam-world-0.json", "exam-local-0.json", "exam.json", "exam-local.json")


class KilledError(Exception):
    """Stands for a power cut."""


@contextmanager
def miniature() -> Iterator[pytest.MonkeyPatch]:
    """Short episodes and few published seeds."""
    short = dataclasses.replace(push_t.push_t(), length=LENGTH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(push_t, "PUBLISHED", range(100_000, 100_002))
        patch.setattr(push_t, "push_t", lambda: short)
        yield patch


def go(out: Path, stage=lambda *told: None, watch=lambda report: None, registry: Path | None = None) -> None:
    sources = Sources("push-t", recorded_run(CONFIG), task="push-t", seeds=(CONFIG.seed,))
    with opened(registry) as book, RunFolder(out, to_json(CONFIG)) as run, journalled(book, run, lambda _: sources):
        push_t.run_push_t(CONFIG, run, stage, watch)


def opened(registry: Path | None) -> contextlib.AbstractContextManager:
    if registry is None:
        return contextlib.nullcontext()
    return Book(Registry.open(registry), Places(registry))


@pytest.fixture(scope="module")
def told() -> list[tuple]:
    return []


@pytest.fixture(scope="module")
def finished(tmp_path_factory, told) -> Path:
    """The run folder of a loop of short episodes."""
    out = tmp_path_factory.mktemp("loop") / "run"
    with miniature():
        go(
            out,
            lambda *stage: told.append(stage),
            lambda report: told.append((report.stage,)),
            out.parent / "registry",
        )
    return out


@pytest.fixture(scope="module")
def reported(finished) -> Path:
    """The same with its report."""
    with RunFolder(finished, to_json(CONFIG)) as run:
        write_push_t_report(run, CONFIG)
    return finished


def test_every_stage_ran_and_told_where_it_stood(finished, told) -> None:
    assert list(dict.fromkeys(stage for stage, *_ in told)) == [
        "collect",
        "fit-world-0",
        "fit-local-0",
        "train-0",
        "deploy 1 of 1",
        "fit",
        "fit-local",
        "train",
        "evaluate",
    ]
    stages = json.loads((finished / "stages.json").read_text())
    assert stages["train"]["updates"] == 4 and stages["train"]["samples"] == 4 * 4 * 4
    assert (stages["fit-world-0"]["episodes"], stages["fit"]["episodes"]) == (6, 14)
    assert all(seconds > 0 for seconds in stages["seconds"].values())
    assert list(stages["seconds"]) == ["collect", "fit", "train", "evaluate"]


def test_deployed_episodes_are_counted_with_the_data(finished) -> None:
    data = Dataset.open(finished / "data")
    operators = [identity.ids["operator"] for identity in data.identities]
    assert operators == ["play"] * 6 + ["policy 0"] * 4 + ["policy 0, exploring"] * 4
    rounds = json.loads((finished / "evaluation.json").read_text())["rounds"]
    assert [each["transitions"] for each in rounds] == [int((data.lengths[:k] - 1).sum()) for k in (6, 14)]
    assert [each["samples"] for each in rounds] == [64, 128]


def test_an_exam_stays_unseen_in_later_rounds(finished) -> None:
    stages = json.loads((finished / "stages.json").read_text())
    for first, last in (("fit-world-0", "fit"), ("fit-local-0", "fit-local")):
        assert set(stages[first]["exam"]) == {k for k in stages[last]["exam"] if k < 6}


def test_all_policies_meet_the_same_fresh_seeds(finished) -> None:
    record = json.loads((finished / "evaluation.json").read_text())
    *paired, published = record["policies"]
    assert [policy["policy"] for policy in paired] == [
        "trained in imagination",
        "random",
        "scripted play (the data)",
        "scripted expert",
    ]
    assert all(policy["seeds"] == [200_000, 200_001, 200_002] for policy in paired)
    assert published["seeds"] == [100_000, 100_001]
    ours, random = (paired[k]["scores"][record["metric"]] for k in (0, 1))
    difference = sum(a - b for a, b in zip(ours, random, strict=True)) / 3
    assert record["difference"]["value"] == pytest.approx(difference)
    assert record["rounds"][-1]["estimates"] == paired[0]["estimates"]


def test_what_the_run_made_is_rebuilt_in_a_patched_world_by_one_command(finished, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DIORAMA_REGISTRY", str(finished.parent / "registry"))
    monkeypatch.chdir(finished.parent)
    old = json.loads((finished / "versions.json").read_text())

    def said(*words: object) -> object:
        capsys.readouterr()
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err
        out = capsys.readouterr().out
        return json.loads(out) if "--json" in words else out

    said("patch", finished / "world", "--data", finished / "data", "--out", "v2", "--updates", 5)
    assert said("status", finished, "--json")["status"] == "SUSPECT"
    done = {one["id"]: one for one in said("rebuild", finished, "v2", "--retrain", finished, "--json")}
    assert done[old["policy"]]["outcome"] == "made" and done[old["evaluation"]]["outcome"] == "made"
    new = said("explain", done[old["policy"]]["new"], "--json")
    assert new["status"]["status"] == "FRESH" and new["name"] == "push-t/policy"
    rests = {(one["role"], one["id"]) for one in new["rests_on"]}
    assert ("initialised_from", old["policy-0"]) in rests and ("trained_in", old["local"]) in rests
    assert ("supersedes", old["policy"]) in rests and ("trained_in", said("explain", "v2", "--json")["id"]) in rests
    scores = said("explain", done[old["evaluation"]]["new"], "--json")
    assert scores["fields"]["policy"] == "trained in imagination" and scores["fields"]["n"] == 3
    # Nothing is scored again but the new policy, on fresh and on published seeds; and doing it again costs nothing.
    listed = said("registry", "list", "--kind", "evaluation", "--containing", "push-t/evaluation", "--json")
    assert len(listed) == 5 + 2
    again = said("rebuild", finished / "world", "v2", "--json")
    assert not {"made", "left"} & {one["outcome"] for one in again}


def test_a_run_is_recorded_with_all_its_settings() -> None:
    assert run_settings(json.loads(json.dumps(recorded_run(CONFIG)))) == CONFIG


def test_the_report_has_all_its_parts(reported) -> None:
    page = (reported / "report.html").read_text()
    record = json.loads((reported / "evaluation.json").read_text())
    lead = page[page.index('<p class="lead">') : page.index("</p>")]
    value = record["policies"][0]["estimates"][record["metric"]]["value"]
    assert f"{value:.3f}" in lead and "on the same 3 episodes" in lead and "128 imagined steps" in lead
    headings = [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]
    assert headings[:3] == [
        "Result in reality (L6)",
        "Success in reality against samples",
        "Reality beside imagination (L0)",
    ]
    assert "How well the world predicts (L1, L2)" in headings
    assert headings[-4:] == [
        "How learning went",
        "What it cost, and what it was told",
        "How far this may be believed",
        "Where this comes from",
    ]
    assert "diorama run push-t --size nano --seed 3" in page
    made = {path.name for path in (reported / "figures").iterdir()}
    assert {"scores.png", "rounds.png", "real_and_imagined.png", "learning.png", "open_loop.png"} <= made
    assert {"real_beside_imagined.gif", "policy_in_reality.gif"} <= made
    shown = (reported / "report.md").read_text()
    assert all(f"(figures/{name})" in shown for name in made)


def test_data_are_accounted_for_in_plain_words(reported) -> None:
    page = (reported / "report.md").read_text()
    lengths = Dataset.open(reported / "data").lengths
    play, deployed = int(lengths[:6].sum() - 6), int(lengths[6:].sum() - 8)
    assert f"Real data: {play + deployed:,} transitions" in page
    assert f"{play:,} are scripted play (6 episodes)" in page
    assert f"{deployed:,} are episodes in which policies of earlier rounds were deployed (8 episodes" in page


def test_a_finished_loop_does_nothing_again(reported) -> None:
    before = {path: path.read_bytes() for path in sorted(reported.rglob("*.safetensors"))}
    films = {path: path.stat().st_mtime_ns for path in (reported / "figures").glob("*.gif")}
    page, reports = (reported / "report.html").read_bytes(), []
    with miniature() as patch:
        patch.setattr(push_t, "evaluate", lambda *a, **k: pytest.fail("evaluated again"))
        patch.setattr(collecting, "run_episodes", lambda *a, **k: pytest.fail("collected again"))
        go(reported, watch=reports.append)
        with RunFolder(reported, to_json(CONFIG)) as run:
            write_push_t_report(run, CONFIG)
    assert reports == [] and {path: path.read_bytes() for path in before} == before
    assert {path: path.stat().st_mtime_ns for path in films} == films and films
    assert _without_time((reported / "report.html").read_bytes()) == _without_time(page)


def _without_time(page: bytes) -> bytes:
    """A second look at the data takes time, and the page says how much."""
    begin, end = page.index(b"where the time went"), page.index(b"<h2>How far this may be believed")
    return page[:begin] + page[end:]


def test_a_loop_that_was_killed_again_and_again_ends_the_same(finished, tmp_path, monkeypatch) -> None:
    with miniature():
        for kill in (_between_rounds, _inside_a_deploy, _inside_a_batch, _inside_training):
            with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
                go(tmp_path, **kill(patch))
        go(tmp_path)
    for name in ARTIFACTS:
        for file in ("artifact.json", "weights.safetensors"):
            assert (tmp_path / name / file).read_bytes() == (finished / name / file).read_bytes(), f"{name}/{file}"
    for name in (*EXAMS, "evaluation.json"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes(), name
    assert Dataset.open(tmp_path / "data").identity == Dataset.open(finished / "data").identity
    assert _lines(tmp_path) == _lines(finished)


def _between_rounds(patch: pytest.MonkeyPatch) -> dict:
    """After the first round's policy was saved, before it acts."""
    gather = coupled._Job._gather

    def once(job, number, before):
        if number:
            raise KilledError
        return gather(job, number, before)

    patch.setattr(coupled._Job, "_gather", once)
    return {}


def _inside_a_deploy(patch: pytest.MonkeyPatch) -> dict:
    """After the likeliest actions, before the exploring ones."""

    def stage(name: str, done: int, total: int) -> None:
        if name.startswith("deploy") and done == total:
            raise KilledError

    return {"stage": stage}


def _inside_a_batch(patch: pytest.MonkeyPatch) -> dict:
    """After one of four exploring episodes was written."""
    write, written = collecting.write_trajectories, []

    def once(*arguments, **named) -> None:
        write(*arguments, **named)
        written.append(1)
        raise KilledError

    patch.setattr(collecting, "write_trajectories", once)
    return {}


def _inside_training(patch: pytest.MonkeyPatch) -> dict:
    """Half-way through the last round."""

    def watch(report) -> None:
        if report.stage == "train" and report.step == 2:
            raise KilledError

    return {"watch": watch}


def _lines(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_the_rounds_differ(finished) -> None:
    """Both worlds and the policy went on learning after the patch."""
    for name in ("world", "local", "policy"):
        first, last = ((finished / each / "weights.safetensors").read_bytes() for each in (f"{name}-0", name))
        assert len(first) == len(last) and not np.array_equal(
            np.frombuffer(first, np.uint8), np.frombuffer(last, np.uint8)
        )
