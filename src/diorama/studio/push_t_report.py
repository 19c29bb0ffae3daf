"""The report of ``diorama run push-t``."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diorama.data import Dataset, Windows
from diorama.envs.pusht import PushT
from diorama.exam.open_loop import imagine_windows
from diorama.models import load as load_model
from diorama.recipes.config import LoopConfig
from diorama.recipes.loop import EXAM, WORLD, apart
from diorama.recipes.run_folder import RunFolder
from diorama.studio.loop_report import (
    exam_section,
    footer,
    interval_text,
    ladder_section,
    learning_section,
    read_json,
    score_figure,
    score_header,
    score_rows,
)
from diorama.studio.page import Page, new_figure

_SHOWN_STEPS = (0, 4, 8, 12, 16, 20, 24)
_CURVES = {"fit": ("held_out", "world: held-out loss"), "train": ("return", "policy: imagined return")}

_STORY = (
    "Push-T: a round tool (blue) pushes a T-shaped block (grey) onto a target (green). The policy learned in a learned "
    "world, on imagined trajectories only: it took no step in reality before this test and saw no demonstration. "
    "Reality is gym-pusht's physics here; the world was learned from scripted play in it."
)


def write_push_t_report(run: RunFolder, config: LoopConfig) -> Path:
    """Write ``report.html``, ``report.md`` and the figures into the run folder; returns the path of the HTML."""
    evaluation = read_json(run.path / "evaluation.json")
    page = Page("Push-T: trained in a learned world, tested in reality", _lead(evaluation))
    page.text(_STORY)
    _result(page, evaluation)
    page.heading("Reality beside imagination (L0)")
    page.text(
        "Above: what happened in an episode that the world was not trained on. Below: what the world imagined from the "
        "first frame and the recorded actions alone. It predicts positions; both rows are drawn by the same painter. "
        "The stretch is not picked by hand: of 256 random ones, it is the one at the upper quartile of how far the "
        "block moves. Whether it looks right proves nothing; the error below does."
    )
    strip = film_strip(run.path, config)
    page.figure("real_and_imagined", strip, "Reality (above) beside imagination (below), seconds from its start.")
    exam_section(page, read_json(run.path / EXAM))
    learning_section(page, run.metrics(), _CURVES)
    ladder_section(page, _reached(evaluation))
    command = f"diorama run push-t --size {config.size} --seed {config.seed}"
    footer(page, command, config.seed, run.finished("seconds") or {})
    return page.write(run.path)


def _lead(evaluation: dict[str, Any]) -> str:
    """The result in one sentence."""
    difference, metric = evaluation["difference"], evaluation["metric"]
    trained, random = (policy["estimates"][metric] for policy in evaluation["policies"][:2])
    verdict = "better than random actions" if difference["low"] > 0 else "not shown to be better than random actions"
    return (
        f"In reality the policy reaches a {metric} of {interval_text(trained)}, random actions "
        f"{interval_text(random)}, on the same {difference['count']} episodes: it is {verdict}."
    )


def _reached(evaluation: dict[str, Any]) -> dict[str, str]:
    """Which levels of evidence the page holds something for."""
    shown = "shown in the test above" if evaluation["difference"]["low"] > 0 else "tested above and not shown"
    return {
        "L0": "the film strip",
        "L1": "the error after one step",
        "L2": "the error against how far ahead",
        "L6": f"{shown}; reality is a simulator here",
    }


def _result(page: Page, evaluation: dict[str, Any]) -> None:
    policies, difference = evaluation["policies"], evaluation["difference"]
    first = policies[0]
    page.heading("Result in reality (L6)")
    page.table(score_header(policies), score_rows(policies))
    page.text(
        "Coverage is the part of the target's area that the block covers. Best clipped coverage takes the best moment "
        "of each episode, counts 95 % as full (1.0), and is averaged over episodes; success is coverage above 95 % at "
        "any moment. Brackets are 95 % intervals: bootstrap for means, Wilson for rates."
    )
    page.text(
        f"Trained minus random, paired by seed, in {evaluation['metric']}: {interval_text(difference)}. One episode "
        f"for each seed from {first['seeds'][0]}, {first['length']} steps of 0.2 s, every episode to its end. The "
        "published seeds, 100000 to 100049, were looked at while the recipe was tuned; the others were not."
    )
    figure = score_figure(policies, evaluation["metric"])
    page.figure("scores", figure, "Every episode (grey dots), the mean and its 95 % interval (orange), in reality.")


def film_strip(run: Path, config: LoopConfig) -> Figure:
    """Real frames above imagined ones of one held-out window: the upper quartile by how far the block moves."""
    model, dataset = load_model(run / WORLD), Dataset.open(run / "data")
    names = tuple(model.spec.observation)
    _, _, held_out = apart(Windows(dataset, config.world.window, names), config.world)
    windows = Windows(dataset, _SHOWN_STEPS[-1], names).only(held_out.episodes)
    sample = windows.take(np.random.default_rng(0).integers(0, len(windows), 256))
    block = sample.observation["features"][:, :, 4:6]
    moved = np.linalg.norm(block[:, -1] - block[:, 0], axis=-1)
    chosen = int(np.argsort(moved)[len(moved) * 3 // 4])
    imagined, _ = imagine_windows(model, sample, config.seed)
    real = sample.observation["features"][chosen]
    dreamed = np.concatenate([real[:1], imagined["features"][chosen]])
    return _strip(_paint(real[list(_SHOWN_STEPS)]), _paint(dreamed[list(_SHOWN_STEPS)]))


def _paint(features: np.ndarray) -> np.ndarray:
    """Images ``[N, 96, 96, 3]`` of rows of the observation ``features``."""
    angle = np.arctan2(features[:, 7], features[:, 6])
    states = np.concatenate([features[:, 0:2], features[:, 4:6], angle[:, None]], axis=1)
    world = PushT(observations=("pixels",))
    return world.observe(world.reset_to(states, world.spec.scenario.default()))["pixels"]


def _strip(real: np.ndarray, imagined: np.ndarray) -> Figure:
    figure, axes = new_figure(9.0, 2.9, nrows=2, ncols=len(real))
    for row, (frames, label) in enumerate(((real, "reality"), (imagined, "imagined"))):
        for axis, frame, step in zip(axes[row], frames, _SHOWN_STEPS, strict=True):
            axis.imshow(frame)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            for spine in axis.spines.values():
                spine.set(visible=True, color="#cccccc", linewidth=0.8)
            if row == 0:
                axis.set_title(f"{step * 0.2:.1f} s", fontsize=9)
        axes[row][0].set_ylabel(label)
    return figure
