"""What an episode of any task ends with, for tasks that name no ways to fail of their own.

Read from vector observations, rewards and actions alone. Entries of the observation are measured in standard deviations
over the failures that are compared, so that units do not matter.
"""

from collections.abc import Mapping

import numpy as np

from diorama.core import Trajectory
from diorama.evaluate.failures.taxonomy import Rule, Ways

PARTS = 5
"""The last one of so many parts of an episode is its end."""
STILL = 0.05
"""Stalled: at the end it moves less than this share of what it moved in its liveliest part."""
LOST = 0.5
"""Lost it again: at the end the reward is by this share of its range below the best."""
MOST = 4
"""Principal components of the last observation that stand for where an episode ended."""


def general_endings(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """Features of each episode [N] by name.

    ``ended``: the world ended it; ``lasted``: share of the time; ``moved``: how far the observation went in the whole,
    ``moving``: at the end, as a share of its liveliest part; ``lost``: how far the reward at the end is below the
    best part's, as a share of its range; ``acting``: mean size of the actions at the end; ``ending 1`` and on:
    principal components of the last observation.
    """
    mask = np.asarray(trajectory.mask, bool)
    steps = mask.sum(axis=1)
    seen = _vectors(trajectory)
    spread = seen.reshape(-1, seen.shape[-1]).std(axis=0)
    seen = seen / np.where(spread > 0, spread, 1.0)
    gone = np.where(mask, np.sqrt((np.diff(seen, axis=1) ** 2).mean(axis=-1)), 0.0)
    reward = np.asarray(trajectory.reward, np.float64)
    size = np.abs(np.asarray(trajectory.action, np.float64)).mean(axis=-1)
    went, got, did = (_parts(values, mask) for values in (gone, reward, size))
    last = seen[np.arange(len(seen)), steps]
    found = {
        "ended": np.asarray(trajectory.end).any(axis=1).astype(np.float64),
        "lasted": steps / mask.shape[1],
        "moved": gone.sum(axis=1),
        "moving": went[:, -1] / np.maximum(went.max(axis=1), 1e-12),
        "lost": (got.max(axis=1) - got[:, -1]) / np.maximum(np.ptp(got, axis=1), 1e-12),
        "acting": did[:, -1],
    }
    return found | {f"ending {k + 1}": column for k, column in enumerate(_components(last).T)}


def general_phases(endings: Mapping[str, np.ndarray]) -> np.ndarray:
    """How each episode ran out, by name [N]."""
    ended, still = endings["ended"] > 0, endings["moving"] < STILL
    return np.select([ended, still], ["ended by the world", "at rest"], "on the way").astype(object)


GENERAL = Ways(
    general_endings,
    general_phases,
    (
        Rule("ended by the world", "", "the world ended before success", lambda e: e["ended"] > 0),
        Rule("nothing moved", "", "what is observed hardly changed", lambda e: e["moved"] < STILL),
        Rule(
            "was better, and lost it",
            "wrong order",
            "the reward at the end is nearer to its worst than to its best",
            lambda e: e["lost"] > LOST,
        ),
        Rule("stalled", "", "hardly moves at the end, after it moved", lambda e: e["moving"] < STILL),
        Rule("out of time", "", "still moving when the time was up", lambda e: e["moving"] >= STILL),
    ),
)
"""Ways to fail of any task: the first rule that holds names the failure."""


def _vectors(trajectory: Trajectory) -> np.ndarray:
    """All entries of all observations but pictures, side by side [N, T + 1, F]."""
    shown = {name: np.asarray(values, np.float64) for name, values in sorted(trajectory.observation.items())}
    flat = [values.reshape(*values.shape[:2], -1) for values in shown.values() if values.ndim < 5]
    count, length = np.shape(trajectory.reward)
    return np.concatenate(flat, axis=-1) if flat else np.zeros((count, length + 1, 1))


def _parts(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Means over `PARTS` equal parts of each episode's own steps: [N, PARTS]."""
    steps = mask.sum(axis=1)
    edges = np.round(np.linspace(0, 1, PARTS + 1)[None] * np.maximum(steps, 1)[:, None]).astype(int)
    total = np.concatenate([np.zeros((len(values), 1)), np.where(mask, values, 0.0).cumsum(axis=1)], axis=1)
    summed = np.diff(np.take_along_axis(total, edges, axis=1), axis=1)
    return summed / np.maximum(np.diff(edges, axis=1), 1)


def _components(rows: np.ndarray) -> np.ndarray:
    """Principal components of rows [N, F], at most `MOST` and as many as hold anything: [N, k]."""
    centred = rows - rows.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(MOST, int((sizes > 1e-9 * max(sizes.max(initial=0.0), 1.0)).sum()))
    return left[:, :kept] * sizes[:kept]
