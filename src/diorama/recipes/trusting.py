"""How far a world is to be trusted in an episode: the column ``trust`` of an evaluation.

Reality is what a score is about: 1. Of physics nothing measures it: unknown. A learned world, or the learned part of a
hybrid, is trusted where its training data reach: the detector E2 (`diorama.exam.exploitation.coverage`) gives each
episode the upper decile of its distances to the nearest recorded pairs of observation and action, and the episode's
trust is ``min(p / 0.15, 1)``, p the share of held-out recorded episodes that lie at least as far away
(`diorama.exam.exploitation.conformal`). Below 0.5 lies an episode that fewer than 7.5 % of recorded ones are as strange
as. This says where a world has data, not that it is right there; `diorama exploit` asks six further questions.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from diorama.core import EnvSpec, Trajectory
from diorama.core.errors import DioramaError
from diorama.data import Dataset
from diorama.exam.exploitation.conformal import p_values, trust_of
from diorama.exam.exploitation.coverage import Coverage
from diorama.exam.exploitation.real import as_window
from diorama.recipes.exploiting import recorded
from diorama.recipes.lessons import Lesson

LEAST = 19
"""Held-out episodes from which an episode can be called stranger than 95 % of them."""


class Trusted(NamedTuple):
    """The trust of each episode [N], None where it is unknown; and what it rests on, or why it is unknown."""

    values: np.ndarray | None
    basis: str


def trusted(kind: str, lesson: Lesson | None, why: str, trajectory: Trajectory, spec: EnvSpec, length: int) -> Trusted:
    """The trust of the episodes of a trajectory [N, ...] in a world of this kind.

    ``lesson``: what a learned world was trained on; None with the reason ``why`` where that cannot be had.
    """
    if kind == "real":
        return Trusted(np.ones(len(np.asarray(trajectory.mask))), "reality is what the score is about")
    if kind == "physics":
        return Trusted(None, "nothing measures how far physics are to be trusted in an episode")
    if lesson is None:
        return Trusted(None, why)
    try:
        detector, known = _judge(lesson, spec, length)
    except DioramaError as error:
        return Trusted(None, str(error))
    if len(known) < LEAST:
        return Trusted(None, f"{len(known)} recorded episodes were held out to compare with, and it takes {LEAST}")
    basis = f"coverage (E2) by {lesson.episodes} recorded episodes, {len(known)} stretches of them held out"
    return Trusted(trust_of(p_values(detector.scores(as_window(trajectory)), known)), basis)


@lru_cache(maxsize=2)
def _judge(lesson: Lesson, spec: EnvSpec, length: int) -> tuple[Coverage, np.ndarray]:
    """The detector, and the distances of the held-out stretches."""
    detector = Coverage(recorded(Dataset.open(lesson.folder), spec, length, lesson.episodes or None))
    return detector, detector.scores(detector.real.held)
