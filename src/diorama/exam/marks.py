"""The errors of every prediction in an exam, window by window and step by step, gathered chunk by chunk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core import ConfigError, DataError, WorldModel
from diorama.exam.actions import other_actions
from diorama.exam.errors import Scales, absolute_errors, entries_of
from diorama.exam.stretches import Seen, Stretches, copied, drifted

MODEL, COPY, DRIFT, RIDGE = "model", "copy_last", "repeating the last change", "ridge regression"
OTHER_ACTIONS = ("shuffled", "mean")
Guess = Callable[[np.ndarray], tuple[Seen, np.ndarray | None]]
"""From the numbers of some windows to what is predicted for them, and the spread where there is one."""


@dataclass(frozen=True)
class Marks:
    """Errors of one prediction.

    ``joint`` ``[N, T]`` over all entries; ``squares`` ``[N, T]`` of each observation; ``absolute`` ``[N, T, entries]``
    in physical units; ``spread`` ``[N, T]``, None where the prediction states none.
    """

    joint: np.ndarray
    squares: dict[str, np.ndarray]
    absolute: np.ndarray
    spread: np.ndarray | None


def all_guesses(
    model: WorldModel, stretches: Stretches, groups: np.ndarray, rivals: Mapping[str, WorldModel]
) -> dict[str, Guess]:
    """The model, the model under other actions, the baselines, and other models. Raises for a name that is taken."""
    taken = {MODEL, COPY, DRIFT, *OTHER_ACTIONS}
    if wrong := sorted(taken & set(rivals)):
        raise ConfigError(f"The names {wrong} mean something else in an exam; call these models by other names.")
    for name, rival in rivals.items():
        if lacking := sorted(set(model.spec.observation) - set(rival.spec.observation)):
            raise DataError(f"{name!r} does not predict {lacking}, so it cannot be compared; compare another model.")
    guesses: dict[str, Guess] = {MODEL: lambda rows: stretches.imagined(model, rows)}
    for name, actions in other_actions(stretches, groups).items():
        guesses[name] = lambda rows, actions=actions: stretches.imagined(model, rows, actions=actions)
    for name, rival in rivals.items():
        guesses[name] = lambda rows, rival=rival: stretches.imagined(rival, rows)
    guesses[COPY] = lambda rows: (copied(stretches, rows), None)
    if stretches.context:
        guesses[DRIFT] = lambda rows: (drifted(stretches, rows), None)
    return guesses


def mark(guess: Guess, stretches: Stretches, scales: Scales) -> Marks:
    """The marks of one prediction on all windows."""
    parts = [_mark_chunk(guess, stretches, scales, rows) for rows in stretches.chunks()]
    squares = {name: np.concatenate([part.squares[name] for part in parts]) for name in parts[0].squares}
    spread = None if parts[0].spread is None else np.concatenate([part.spread for part in parts])
    joint, absolute = (np.concatenate([getattr(part, name) for part in parts]) for name in ("joint", "absolute"))
    return Marks(joint, squares, absolute, spread)


def _mark_chunk(guess: Guess, stretches: Stretches, scales: Scales, rows: np.ndarray) -> Marks:
    real = stretches.followed(rows)
    said, spread = guess(rows)
    squares = scales.squares(said, real)
    return Marks(scales.joint(squares), squares, absolute_errors(entries_of(scales.spec), said, real), spread)
