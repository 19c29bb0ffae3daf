"""The whole Push-T loop in miniature: it runs to a report with all parts. Learning is tested elsewhere."""

import dataclasses
import json
from pathlib import Path

import pytest

from diorama.core.canonical import to_json
from diorama.learn import FirstOrderConfig, FitConfig
from diorama.models import EnsembleConfig
from diorama.policies import ActorConfig
from diorama.recipes import push_t
from diorama.recipes.config import LoopConfig, PolicyConfig, WorldConfig
from diorama.recipes.presets import PUSH_T
from diorama.recipes.run_folder import RunFolder
from diorama.studio.push_t_report import write_push_t_report

pytest.importorskip("gym_pusht")

CONFIG = LoopConfig(
    "push-t",
    "nano",
    3,
    (("play", 6),),
    WorldConfig(
        EnsembleConfig("nano", PUSH_T.body),
        FitConfig(updates=50, batch=32, chunk=25, held_out=64),
        PUSH_T.observations,
        window=PUSH_T.window,
        held_out=0.34,
        exam_horizon=8,
    ),
    PolicyConfig(
        ActorConfig("nano", PUSH_T.aim), FirstOrderConfig(updates=50, worlds=8, horizon=4, chunk=25, critic_steps=2)
    ),
    episodes=3,
)


@pytest.fixture(scope="module")
def told() -> list[tuple]:
    return []


@pytest.fixture(scope="module")
def finished(tmp_path_factory, told) -> Path:
    """The run folder of a loop of short episodes."""
    out = tmp_path_factory.mktemp("loop")
    with pytest.MonkeyPatch.context() as patch, RunFolder(out, to_json(CONFIG)) as run:
        patch.setattr(push_t, "PUBLISHED", range(100_000, 100_002))
        short = dataclasses.replace(push_t.push_t(), length=30)
        patch.setattr(push_t, "push_t", lambda: short)
        push_t.run_push_t(CONFIG, run, lambda *stage: told.append(stage), lambda report: told.append((report.stage,)))
        write_push_t_report(run, CONFIG)
    return out


def test_every_stage_ran_and_told_where_it_stood(finished, told) -> None:
    assert list(dict.fromkeys(stage for stage, *_ in told)) == ["collect", "fit", "train", "evaluate"]
    stages = json.loads((finished / "stages.json").read_text())
    assert stages["train"] == {"updates": 50} and stages["fit"]["episodes"] == 6
    assert all(seconds > 0 for seconds in stages["seconds"].values()) and len(stages["seconds"]) == 4


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


def test_the_report_has_all_its_parts(finished) -> None:
    page = (finished / "report.html").read_text()
    record = json.loads((finished / "evaluation.json").read_text())
    lead = page[page.index('<p class="lead">') : page.index("</p>")]
    value = record["policies"][0]["estimates"][record["metric"]]["value"]
    assert f"{value:.3f}" in lead and "on the same 3 episodes" in lead
    headings = [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]
    assert headings == [
        "Result in reality (L6)",
        "Reality beside imagination (L0)",
        "How well the world predicts (L1, L2)",
        "How learning went",
        "How far this may be believed",
        "Where this comes from",
    ]
    assert page.count("<img") == 4 and "diorama run push-t --size nano --seed 3" in page
    figures = {path.stem for path in (finished / "figures").iterdir()}
    assert figures == {"scores", "real_and_imagined", "open_loop", "learning"}
    assert all(f"(figures/{name}.png)" in (finished / "report.md").read_text() for name in figures)


def test_a_finished_loop_does_nothing_again(finished, monkeypatch) -> None:
    before = {path: path.read_bytes() for path in sorted(finished.rglob("*.safetensors"))}
    monkeypatch.setattr(push_t, "evaluate", lambda *a, **k: pytest.fail("evaluated again"))
    reports = []
    with RunFolder(finished, to_json(CONFIG)) as run:
        push_t.run_push_t(CONFIG, run, lambda *stage: None, reports.append)
    assert reports == [] and {path: path.read_bytes() for path in before} == before


def test_presets_are_one_for_each_size() -> None:
    configs = {size: push_t.push_t_config(size, 1) for size in ("nano", "xs", "s", "m", "l")}
    assert all(config.size == size and config.task == "push-t" for size, config in configs.items())
    play = [config.collection[0][1] for config in configs.values()]
    assert play == sorted(play) and configs["s"].world.model.frame == PUSH_T.body
