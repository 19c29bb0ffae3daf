"""`Trajectory` to rows of a dataset and back.

An episode of T steps becomes T + 1 rows: row t holds observation t, action t and ``next.*``, what came of step t. The
last row holds the last observation; its action and outcome repeat and nobody uses them (see `diorama.data.windows`).
``next.done`` marks the last step; ``next.truncated`` says that time ran out and the world did not end. The factors
of variation stand in columns ``scenario.<name>``, the same in every row of an episode.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from diorama.core.errors import DataError
from diorama.data.features import Feature, parse_features
from diorama.data.importers.recording import feature_of
from diorama.data.source import EpisodeSource

if TYPE_CHECKING:
    from diorama.core.trajectory import Trajectory

SCENARIO = "scenario."
OUTCOME = {
    key: Feature(kind, ())
    for key, kind in [("next.reward", "float32"), ("next.done", "bool"), ("next.truncated", "bool")]
}
SUCCESS = {"next.success": Feature("bool", ())}


@runtime_checkable
class EpisodeWriter(Protocol):
    """What is needed of `diorama.data.DatasetWriter`."""

    def append(self, columns: Mapping[str, Any], task: str, ids: Mapping[str, str] | None = None) -> Any:
        """Append one episode."""
        ...


def trajectory_features(trajectory: "Trajectory", success: bool = False) -> dict[str, Feature]:
    """The features of a dataset that holds such trajectories, for `diorama.data.DatasetWriter`.

    ``success``: with a column ``next.success``. Observations that are pictures, uint8 ``[H, W, C]``, become cameras.
    """
    axes = np.ndim(trajectory.reward)
    columns = {f"observation.{name}": np.asarray(value) for name, value in trajectory.observation.items()}
    found = {key: feature_of(value.shape[axes:], value.dtype) for key, value in columns.items()}
    found["action"] = Feature("float32", np.shape(trajectory.action)[axes:])
    for name, value in trajectory.scenario.items():
        factor = _spread(value, np.shape(trajectory.reward)[:-1])
        found[SCENARIO + name] = Feature(str(factor.dtype), factor.shape[axes - 1 :])
    return parse_features(found | OUTCOME | (SUCCESS if success else {}))


def write_trajectories(
    writer: EpisodeWriter,
    trajectory: "Trajectory",
    task: str,
    *,
    success: np.ndarray | None = None,
    ids: Mapping[str, str] | None = None,
) -> int:
    """Append each trajectory of a batch (any leading axes) as one episode, up to the end of its mask; how many.

    ``success``: bool with the batch's axes, written as ``next.success``. Raises `DataError` where a trajectory has no
    step or its mask has holes.
    """
    mask = np.asarray(trajectory.mask).reshape(-1, trajectory.length)
    lengths = mask.sum(1)
    if (mask != (np.arange(trajectory.length) < lengths[:, None])).any() or not lengths.all():
        raise DataError("A trajectory has no step or holes in its mask; masks must be True first, then False.")
    seen, done, constant = _flat(trajectory, len(mask))
    verdict = None if success is None else np.asarray(success, bool).reshape(len(mask))
    for k, steps in enumerate(lengths.tolist()):
        columns = {key: value[k, : steps + 1] for key, value in seen.items()}
        columns |= {key: np.concatenate([v[k, :steps], v[k, steps - 1 : steps]]) for key, v in done.items()}
        columns |= {key: np.repeat(value[k, None], steps + 1, axis=0) for key, value in constant.items()}
        last = np.arange(steps + 1) >= steps - 1
        columns |= {"next.done": last, "next.truncated": last & ~columns.pop("end")}
        if verdict is not None:
            columns["next.success"] = last & verdict[k]
        writer.append(columns, task, ids)
    return len(mask)


def _flat(trajectory: "Trajectory", count: int) -> tuple[dict[str, np.ndarray], ...]:
    """Columns of T + 1 rows, columns of T rows, and constants, all with one batch axis of ``count``."""
    axes, steps = np.ndim(trajectory.reward) - 1, trajectory.length
    batch = np.shape(trajectory.reward)[:axes]
    step = {"action": trajectory.action, "next.reward": trajectory.reward, "end": trajectory.end}
    seen = {f"observation.{key}": np.asarray(value) for key, value in trajectory.observation.items()}
    scenario = {SCENARIO + key: _spread(value, batch) for key, value in trajectory.scenario.items()}
    return (
        {key: value.reshape(count, steps + 1, *value.shape[axes + 1 :]) for key, value in seen.items()},
        {key: np.asarray(value).reshape(count, steps, *np.shape(value)[axes + 1 :]) for key, value in step.items()},
        {key: value.reshape(count, *value.shape[axes:]) for key, value in scenario.items()},
    )


def _spread(value: Any, batch: tuple[int, ...]) -> np.ndarray:
    """A factor of variation with the batch's axes; one without them is shared by all trajectories."""
    array = np.asarray(value)
    shared = array.shape[: len(batch)] != batch
    return np.broadcast_to(array, (*batch, *array.shape)) if shared else array


def read_trajectories(dataset: EpisodeSource, episodes: np.ndarray | None = None) -> "Trajectory":
    """Episodes (default: all) as one batch ``[B, ...]`` of NumPy arrays, as long as the longest of them.

    The inverse of `write_trajectories`: after an episode's end the mask is False, the reward 0, and observation and
    action repeat. Pictures come as they were stored. Factors of shape (1,) come back as numbers. Raises `DataError`
    for episodes that do not exist or have one row only.
    """
    from diorama.core.trajectory import Trajectory

    chosen = np.arange(len(dataset.lengths)) if episodes is None else np.asarray(episodes, np.int64)
    if not chosen.size or not (0 <= chosen.min() and chosen.max() < len(dataset.lengths)):
        raise DataError(
            f"Episodes {chosen.tolist()[:8]} were asked for; the dataset has 0 to {len(dataset.lengths) - 1}."
        )
    real = np.asarray(dataset.lengths, np.int64)[chosen] - 1
    steps = int(real.max())
    if not real.all():
        raise DataError("An episode with one row has no step; leave it out.")
    start = np.asarray(dataset.starts, np.int64)[chosen, None]
    seen = np.minimum(np.arange(steps + 1), real[:, None])
    done, acted = np.arange(steps) < real[:, None], start + np.minimum(np.arange(steps), real[:, None] - 1)
    features = parse_features(dataset.features)
    keys = [key for key, f in features.items() if key.startswith("observation.") and f.dtype != "string"]
    factors = [key for key in features if key.startswith(SCENARIO)]
    over = _outcome(dataset, "next.done")[acted] & ~_outcome(dataset, "next.truncated")[acted]
    return Trajectory(
        {key.removeprefix("observation."): _observed(dataset, key, chosen, start, seen) for key in keys},
        dataset.column("action")[acted].reshape(len(chosen), steps, -1).astype(np.float32),
        _outcome(dataset, "next.reward")[acted] * done,
        over & done,
        done,
        {key.removeprefix(SCENARIO): dataset.column(key)[start[:, 0]] for key in factors},
    )


def _observed(dataset: EpisodeSource, key: str, chosen: np.ndarray, start: np.ndarray, seen: np.ndarray) -> np.ndarray:
    if key not in dataset.camera_keys:
        return dataset.column(key)[start + seen]
    return np.stack([dataset.frames(key, int(e))[rows] for e, rows in zip(chosen, seen, strict=True)])


def _outcome(dataset: EpisodeSource, key: str) -> np.ndarray:
    dtype = OUTCOME[key].dtype
    rows = int(np.sum(dataset.lengths))
    return np.asarray(dataset.column(key), dtype).reshape(rows) if key in dataset.features else np.zeros(rows, dtype)
