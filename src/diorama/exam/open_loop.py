"""The exam of a world model on interaction that it was not trained on (levels L1 to L4).

Open-loop error against horizon: how far imagination under the real actions is from what happened, beside baselines;
whether the model knows how wrong it may be (`calibration`); whether it listens to its actions (`actions`). The error of
an observation is the root of the mean squared difference over its entries, each divided by its standard deviation in
the data, so that 1 is as bad as guessing the mean. Intervals are bootstraps over episodes (`bootstrap`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core import DataError, Window, WorldModel
from diorama.exam.actions import Sensitivity
from diorama.exam.bootstrap import Bootstrap, ErrorCurve
from diorama.exam.calibration import Calibration, calibrate
from diorama.exam.errors import Scales, decibels, entries_of, is_picture, picture_range
from diorama.exam.marks import COPY, MODEL, OTHER_ACTIONS, RIDGE, Marks, all_guesses, mark
from diorama.exam.ridge import Ridge
from diorama.exam.stretches import Stretches

DRAWS = 39
"""Imagined futures of each window: 39 draws cut the predictive distribution where 50, 80, 90 and 95 % lie."""
DRAWN = 128
"""Windows of which futures are drawn."""


@dataclass(frozen=True)
class Baseline:
    """Another prediction of the same windows: its ``error``, and the model's minus it, window by window (``paired``).

    Below 0 the model is better.
    """

    error: ErrorCurve
    paired: ErrorCurve


@dataclass(frozen=True)
class Measured:
    """The model, and copying, in a ``unit`` that means something outside of the data."""

    unit: str
    model: ErrorCurve
    copy_last: ErrorCurve


@dataclass(frozen=True)
class OpenLoop:
    """The examination of one model.

    ``model``: the model's error; ``copy_last``: that of repeating the observation where imagination begins; ``paired``:
    model minus copy-last, window by window (below 0: better than copying). ``baselines``: the others, by name.
    ``by_name``: the model's error of each observation; ``spread``: the model's own mean spread. ``entries``: the mean
    absolute error of each entry of the vectors, in its unit; ``pictures``: the peak signal-to-noise ratio of each
    picture [dB] (higher is better). ``actions``: the error under other actions, "shuffled" and "mean".
    ``calibration``: None where it was not examined or (``stochastic`` False) every imagined future is the same.
    ``horizon``: ``[T]`` in steps; ``control_period`` in seconds; ``context``: steps seen before imagination begins.
    ``windows`` and ``groups``: how many there were.
    """

    horizon: np.ndarray
    control_period: float
    model: ErrorCurve
    copy_last: ErrorCurve
    paired: ErrorCurve
    by_name: dict[str, ErrorCurve]
    spread: np.ndarray
    windows: int
    groups: int
    context: int
    baselines: dict[str, Baseline]
    entries: dict[str, Measured]
    pictures: dict[str, Measured]
    actions: dict[str, Sensitivity]
    stochastic: bool | None
    calibration: Calibration | None

    @property
    def one_step(self) -> float:
        """The model's error one step ahead (evidence level L1)."""
        return float(self.model.mean[0])


def examine_open_loop(
    model: WorldModel,
    windows: Window,
    groups: np.ndarray,
    *,
    seed: int = 0,
    training: Window | None = None,
    others: Mapping[str, WorldModel] | None = None,
    context: int = 0,
    draws: int = DRAWS,
    drawn: int = DRAWN,
) -> OpenLoop:
    """Examine ``model`` on held-out windows ``[N, context + T, ...]``; ``groups`` ``[N]``: the episode of each window.

    Every window is imagined from its first observation under its recorded actions; with ``context`` steps, from what
    the model infers from these. Steps that did not happen (mask) do not count.

    Args:
        model: the model.
        windows: what happened, on episodes that no model here was trained on.
        groups: the episode of each window.
        seed: of all chance in the exam; equal seeds give equal results.
        training: training windows, for the ridge regression that stands beside the model.
        others: further models to compare with, by name; fitted to the same training episodes to be fair.
        context: how many steps of each window are seen.
        draws: imagined futures of each window, for the calibration; fewer than 2: no calibration.
        drawn: of about how many windows futures are drawn.

    Raises:
        DataError: for fewer than two groups, a horizon that no window reaches, and a model that imagines NaN.
    """
    groups = np.asarray(groups)
    bootstrap, stretches = Bootstrap.of(groups, seed), _stretches(model, windows, context, seed)
    scales = Scales.of(stretches)
    rivals = dict(others or {}) | ({} if training is None else {RIDGE: Ridge.fitted(training, model.spec)})
    guesses = all_guesses(model, stretches, groups, rivals)
    marks = {name: mark(guess, stretches, scales) for name, guess in guesses.items()}
    judged = draws >= 2
    found = calibrate(model, stretches, groups, scales, rivals, draws=draws, drawn=drawn) if judged else None
    ours, real, curve = marks[MODEL], stretches.real, bootstrap.mean
    return OpenLoop(
        horizon=np.arange(1, real.shape[1] + 1),
        control_period=model.spec.control_period,
        model=curve(ours.joint, real),
        copy_last=curve(marks[COPY].joint, real),
        paired=curve(ours.joint - marks[COPY].joint, real),
        by_name={name: curve(np.sqrt(values), real) for name, values in ours.squares.items()},
        spread=np.sum(ours.spread * real, axis=0) / real.sum(axis=0),
        windows=len(real),
        groups=len(np.unique(groups)),
        context=context,
        baselines=_baselines(marks, real, bootstrap),
        entries=_in_units(marks, scales, real, bootstrap),
        pictures=_in_decibels(marks, scales, real, bootstrap),
        actions={name: Sensitivity.of(marks[name].joint, ours.joint, real, bootstrap) for name in OTHER_ACTIONS},
        stochastic=found is not None if judged else None,
        calibration=found,
    )


def imagine_windows(model: WorldModel, windows: Window, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What the model imagines under the recorded actions: observations ``[N, T, ...]`` by name, spread ``[N, T]``."""
    stretches = Stretches(windows, model.spec, 0, seed)
    parts = [stretches.imagined(model, rows) for rows in stretches.chunks()]
    observation = {name: np.concatenate([said[name] for said, _ in parts]) for name in stretches.names}
    return observation, np.concatenate([spread for _, spread in parts])


def _stretches(model: WorldModel, windows: Window, context: int, seed: int) -> Stretches:
    stretches = Stretches(windows, model.spec, context, seed)
    if not 0 <= context < windows.length:
        raise DataError(f"{context} of {windows.length} steps cannot all be context; leave at least one to imagine.")
    if not stretches.real.any(axis=0).all():
        raise DataError("No held-out window reaches the longest horizon; examine a shorter one.")
    return stretches


def _baselines(marks: dict[str, Marks], real: np.ndarray, bootstrap: Bootstrap) -> dict[str, Baseline]:
    """All but copying, which has its own place."""
    ours, found = marks[MODEL].joint, {}
    for name in set(marks) - {MODEL, COPY, *OTHER_ACTIONS}:
        found[name] = Baseline(bootstrap.mean(marks[name].joint, real), bootstrap.mean(ours - marks[name].joint, real))
    return dict(sorted(found.items()))


def _in_units(marks: dict[str, Marks], scales: Scales, real: np.ndarray, bootstrap: Bootstrap) -> dict[str, Measured]:
    """The mean absolute error of each entry of the vectors."""
    found = {}
    for place, entry in enumerate(entries_of(scales.spec)):
        ours, copy = (bootstrap.mean(marks[name].absolute[..., place], real) for name in (MODEL, COPY))
        found[entry.label] = Measured(entry.unit, ours, copy)
    return found


def _in_decibels(
    marks: dict[str, Marks], scales: Scales, real: np.ndarray, bootstrap: Bootstrap
) -> dict[str, Measured]:
    """The peak signal-to-noise ratio of the mean square error of each picture."""
    found = {}
    for name, array in scales.spec.observation.items():
        if is_picture(array):
            unit = (float(scales.std[name]) / picture_range(array)) ** 2
            curves = [bootstrap.mean(marks[m].squares[name] * unit, real, decibels) for m in (MODEL, COPY)]
            found[name] = Measured("dB", *curves)
    return found
