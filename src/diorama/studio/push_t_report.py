"""The report of ``diorama run push-t``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diorama.data import Dataset, Windows
from diorama.exam.open_loop import imagine_windows
from diorama.models import load as load_model
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.loop import EXAM, WORLD
from diorama.recipes.run_folder import RunFolder
from diorama.studio.exam_report import exam_reached
from diorama.studio.loop_report import exam_section, footer, ladder_section, score_figure
from diorama.studio.page import Page
from diorama.studio.push_t_curves import learning_figure, rounds_figure, rounds_table
from diorama.studio.push_t_film import AT_WORK, BESIDE, SHOWN_STEPS, add_film, make_films, shown_of
from diorama.studio.push_t_picture import strip
from diorama.studio.push_t_words import words_of
from diorama.studio.scores import interval_text, read_json, score_header, score_rows

_SHOWN_STEPS = (0, 4, 8, 12, 16, 20, 24)
_SUCCESS = "success (coverage > 95 %)"
_EXAM_LOCAL = "exam-local.json"
_KINDS = {"collect": "real interaction", "fit": "both worlds", "train": "the policy", "evaluate": "the test"}


def write_push_t_report(run: RunFolder, config: CoupledConfig) -> Path:
    """Write ``report.html``, ``report.md``, figures and films into the run folder; returns the path of the HTML."""
    evaluation, exam = read_json(run.path / "evaluation.json"), read_json(run.path / EXAM)
    dataset = Dataset.open(run.path / "data")
    words = words_of(config)
    page = Page(words.title, _lead(evaluation, config))
    page.text(words.story)
    _result(page, evaluation)
    _rounds(page, evaluation, config)
    _films(page, run, config, evaluation)
    page.figure(
        "real_and_imagined",
        film_strip(run.path, np.asarray(run.finished("fit")["exam"]), config),
        "An episode that the world was not trained on: in reality (above) and imagined (below), over seconds.",
    )
    exam_section(page, exam)
    page.heading("The local world")
    page.text(_local_text(exam, read_json(run.path / _EXAM_LOCAL)))
    _learning(page, run, config)
    _spent(page, dataset, config, run.finished("seconds") or {})
    ladder_section(page, _reached(evaluation, exam))
    footer(page, f"diorama run {words.loop} --size {config.size} --seed {config.seed}", config.seed, {})
    return page.write(run.path)


def _lead(evaluation: Mapping[str, Any], config: CoupledConfig) -> str:
    """The result in one sentence."""
    difference, metric = evaluation["difference"], evaluation["metric"]
    trained, random = (policy["estimates"] for policy in evaluation["policies"][:2])
    verdict = "better than random actions" if difference["low"] > 0 else "not shown to be better than random actions"
    times = f"{config.rounds} rounds" if config.patches else "1 round"
    return (
        f"After {times} and {config.samples:,} imagined steps the policy reaches in reality a {metric} of "
        f"{interval_text(trained[metric])} and succeeds in {_percent_text(trained[_SUCCESS])} of the episodes; random "
        f"actions reach {interval_text(random[metric])}, on the same {difference['count']} episodes: it is {verdict}."
    )


def _percent_text(rate: Mapping[str, Any]) -> str:
    """``value % [low %, high %]`` of a rate."""
    value, low, high = (100 * rate[key] for key in ("value", "low", "high"))
    return f"{value:.0f} % [{low:.0f} %, {high:.0f} %]"


def _reached(evaluation: Mapping[str, Any], exam: Mapping[str, Any]) -> dict[str, str]:
    """Which levels of evidence the page holds something for."""
    shown = "shown in the test above" if evaluation["difference"]["low"] > 0 else "tested above and not shown"
    return exam_reached(exam) | {"L0": "the films", "L6": f"{shown}; reality is a simulator here"}


def _result(page: Page, evaluation: Mapping[str, Any]) -> None:
    policies, difference = evaluation["policies"], evaluation["difference"]
    first, published = policies[0], policies[-1]["seeds"]
    page.heading("Result in reality (L6)")
    page.table(score_header(policies), score_rows(policies))
    page.text(
        "Coverage is the part of the target's area that the block covers. Best clipped coverage takes the best moment "
        "of each episode, counts 95 % as full (1.0), and is averaged over episodes; success is coverage above 95 % at "
        "any moment. The third score is looser than success, and it is not the published rule of DINO-WM, whose goal "
        "also says where the tool must be. Brackets are 95 % intervals: bootstrap for means, Wilson for rates."
    )
    page.text(
        f"Trained minus random, paired by seed, in {evaluation['metric']}: {interval_text(difference)}. One episode "
        f"for each seed from {first['seeds'][0]}, {first['length']} steps of 0.2 s, every episode to its end. The "
        f"published seeds, {published[0]} to {published[-1]}, were looked at while earlier recipes were tuned; the "
        "others were not."
    )
    figure = score_figure(policies, evaluation["metric"])
    page.figure("scores", figure, "Every episode (grey dots), the mean and its 95 % interval (orange), in reality.")


def _rounds(page: Page, evaluation: Mapping[str, Any], config: CoupledConfig) -> None:
    page.heading("Success in reality against samples")
    page.text(
        f"The policy of every round, on the same {evaluation['difference']['count']} episodes. {_trained(config)}; "
        f"before each but the first, {config.patch_episodes} deployed episodes are added to the data and both worlds "
        "go on learning. So both axes grow together, and the curve does not say which of them helped."
    )
    page.table(*rounds_table(evaluation["rounds"]))
    random = evaluation["policies"][1]["estimates"]
    figure = rounds_figure(evaluation["rounds"], random, evaluation["metric"])
    page.figure("rounds", figure, "Each round's policy in reality, with 95 % intervals over test episodes.")


def _trained(config: CoupledConfig) -> str:
    """How long a round trains."""
    first, all_but_last = config.spent(0), config.spent(max(config.patches - 1, 0))
    last = config.samples - all_but_last
    if not config.patches or last == first:
        return f"A round trains for {first:,} imagined steps"
    return f"A round trains for {first:,} imagined steps, the last one for {last:,}"


def _films(page: Page, run: RunFolder, config: CoupledConfig, evaluation: Mapping[str, Any]) -> None:
    policy = evaluation["policies"][0]
    shown = make_films(run, config, policy, evaluation["metric"])
    steps = min(SHOWN_STEPS, policy["length"])
    page.heading("Reality beside imagination (L0)")
    page.text(
        "Left: the policy in reality, from a test start. Right: what the global world imagines from the same first "
        f"observation under the same actions, {steps} steps without looking again. "
        f"{words_of(config).drawn} The episode is not picked by hand: its score is the median of the test. Whether it "
        "looks right proves nothing; the errors below do. The longer the stretch, the less the actions fit what is "
        "imagined."
    )
    add_film(page, run.path, BESIDE, f"Reality (left) beside imagination (right), test seed {shown['beside']}.")
    seeds = shown["at_work"]
    add_film(page, run.path, AT_WORK, f"The policy in reality: the first {len(seeds)} test episodes, whole.")


def film_strip(run: Path, episodes: np.ndarray, config: CoupledConfig) -> Figure:
    """Real frames above imagined ones of one window of the held-out ``episodes``.

    It is the one at the upper quartile of 256 random windows by how far the block moves.
    """
    model, dataset = load_model(run / WORLD), Dataset.open(run / "data")
    name = shown_of(model)
    windows = Windows(dataset, _SHOWN_STEPS[-1], tuple(sorted({"features", name}))).only(episodes)
    sample = windows.take(np.random.default_rng(0).integers(0, len(windows), 256))
    block = sample.observation["features"][:, :, 4:6]
    moved = np.linalg.norm(block[:, -1] - block[:, 0], axis=-1)
    chosen = int(np.argsort(moved)[len(moved) * 3 // 4])
    imagined, _ = imagine_windows(model, sample, config.seed)
    real = sample.observation[name][chosen]
    dreamed = np.concatenate([real[:1], imagined[name][chosen]])
    shown = np.asarray(_SHOWN_STEPS)
    return strip({"reality": real[shown], "imagined": dreamed[shown]}, shown * model.spec.control_period)


def _local_text(exam: Mapping[str, Any], local: Mapping[str, Any]) -> str:
    """The local world's exam in a sentence, beside the global one's."""
    ours, theirs = (100 * each["model"]["mean"][0] for each in (local, exam))
    return (
        "It is never rolled out: at every step it is told what the global one showed, and only the "
        f"derivatives of its next step are used. So its error after one step counts: {ours:.1f} %. "
        f"The global world's is {theirs:.1f} %, that of one draw with its noise."
    )


def _learning(page: Page, run: RunFolder, config: CoupledConfig) -> None:
    page.heading("How learning went")
    caption = (
        "From metrics.jsonl; dotted lines: a new round. Losses and returns jump there, since the held-out "
        "episodes and the first states change with the data. Returns are imagined: a rising curve is no evidence about "
        "reality."
    )
    page.figure("learning", learning_figure(run.metrics(), config), caption)


def _spent(page: Page, dataset: Dataset, config: CoupledConfig, seconds: Mapping[str, float]) -> None:
    """Data, samples and time."""
    page.heading("What it cost, and what it was told")
    counted = transitions_by_operator(dataset)
    play = counted.pop(config.play[0], (0, 0))
    deployed = tuple(map(sum, zip(*counted.values(), strict=True))) if counted else (0, 0)
    page.text(
        f"Real data: {play[1] + deployed[1]:,} transitions. Of these {play[1]:,} are scripted play ({play[0]} "
        f"episodes) and {deployed[1]:,} are episodes in which policies of earlier rounds were deployed ({deployed[0]} "
        "episodes, half of them with exploring actions). Deployed episodes taught the worlds and gave starts for "
        "imagination; no gradient of the policy came from reality. The test's episodes are not data, and no seed is "
        "shared with them."
    )
    page.text(words_of(config).told)
    total = sum(seconds.values())
    if total:
        rows = [[_KINDS.get(k, k), f"{s / 60:.1f}", f"{100 * s / total:.0f}"] for k, s in seconds.items()]
        page.table(["where the time went", "minutes", "share [%]"], [*rows, ["all", f"{total / 60:.1f}", "100"]])


def transitions_by_operator(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """Who acted in the dataset to (episodes, transitions)."""
    found: dict[str, tuple[int, int]] = {}
    for identity, rows in zip(dataset.identities, dataset.lengths, strict=True):
        episodes, transitions = found.get(name := identity.ids["operator"], (0, 0))
        # The last row of an episode has an observation and no action of its own.
        found[name] = episodes + 1, transitions + int(rows) - 1
    return found
