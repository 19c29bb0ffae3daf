"""The curves of a Push-T run: what each round reached in reality, and how each stage learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diorama.recipes.coupled import LOCAL, named
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.loop import WORLD
from diorama.studio.page import new_figure
from diorama.studio.scores import interval_text

_SPENT = {"samples": "imagined steps so far [million]", "transitions": "real transitions so far [thousand]"}
_UNITS = {"samples": 1e6, "transitions": 1e3}


def rounds_table(rounds: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what a round had spent when it ended, and how good its policy is in reality."""
    header = ["round", "imagined steps", "real transitions", *rounds[0]["estimates"]]
    rows = [
        [str(k), f"{each['samples']:,}", f"{each['transitions']:,}", *map(interval_text, each["estimates"].values())]
        for k, each in enumerate(rounds)
    ]
    return header, rows


def rounds_figure(rounds: Sequence[Mapping[str, Any]], random: Mapping[str, Any], metric: str) -> Figure:
    """Every metric in reality against imagined steps and against real transitions, with intervals.

    ``random``: the estimates of the random policy; that of ``metric`` is drawn as a line.
    """
    figure, axes = new_figure(7.6, 3.2, ncols=2, sharey=True)
    for axis, (name, label) in zip(axes, _SPENT.items(), strict=True):
        spent = np.array([each[name] for each in rounds]) / _UNITS[name]
        span = max(float(np.ptp(spent)), 0.1 * float(spent.max()))
        for k, measured in enumerate(rounds[0]["estimates"]):
            values, low, high = (
                np.array([each["estimates"][measured][key] for each in rounds]) for key in ("value", "low", "high")
            )
            error = np.maximum([values - low, high - values], 0.0)
            beside = spent + 0.012 * span * (k - 1)  # so that bars do not hide each other
            axis.errorbar(beside, values, yerr=error, fmt="o-", markersize=4, capsize=3, linewidth=1.4, label=measured)
        axis.axhline(random[metric]["value"], color="#999999", linewidth=1, linestyle="--", label=f"random: {metric}")
        axis.set(xlabel=label, xlim=(min(0.0, float(spent.min())), float(spent.max()) + 0.15 * span))
    axes[0].set(ylabel="in reality (higher is better)", ylim=(-0.03, 1.03))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure


def learning_figure(metrics: Sequence[Mapping[str, Any]], config: CoupledConfig) -> Figure:
    """Losses of both worlds on held-out episodes, the imagined return and the entropy, all rounds one after another."""
    world, local, train = stages_of(config)
    curves = (
        (world, "held_out", "global world: held-out loss"),
        (local, "held_out", "local world: held-out loss"),
        (train, "return", "policy: imagined return"),
        (train, "entropy", "policy: entropy [nat]"),
    )
    figure, axes = new_figure(7.6, 4.6, nrows=2, ncols=2)
    for axis, (stages, name, label) in zip(axes.flat, curves, strict=True):
        done = 0
        for number, stage in enumerate(stages):
            points = [(done + m["step"], m[name]) for m in metrics if m["stage"] == stage and name in m]
            if not points:
                continue
            if number:
                axis.axvline(done, color="#999999", linewidth=0.8, linestyle=":")
            axis.plot(*zip(*points, strict=True), color="#0072B2", linewidth=1.4)
            done = points[-1][0]
        axis.set(xlabel="updates, all rounds", ylabel=label)
    return figure


def stages_of(config: CoupledConfig) -> tuple[list[str], list[str], list[str]]:
    """The stages of the global world, of the local one and of the policy, round by round, as ``metrics.jsonl`` has."""
    rounds = range(config.rounds)
    world = ["fit" if (name := named(WORLD, config, k)) == WORLD else f"fit-{name}" for k in rounds]
    local = [f"fit-{named(LOCAL, config, k)}" for k in rounds]
    return world, local, [named("train", config, k) for k in rounds]
