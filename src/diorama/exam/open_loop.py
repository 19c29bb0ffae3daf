"""Open-loop error against horizon: how far imagination under the real actions is from what happened (level L2).

The error of an observation is the root of the mean squared difference over its entries, each divided by its standard
deviation in the data, so that 1 is as bad as guessing the mean. Intervals are percentile bootstraps over groups of
windows (episodes), because windows of one episode are not independent (Efron and Tibshirani 1993, chapter 13).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import DataError, Window, WorldModel, filter_jit
from diorama.core.env import Observation

RESAMPLES = 1000


@dataclass(frozen=True)
class ErrorCurve:
    """One error for each horizon 1 .. T, with a 95 % interval. All arrays are ``[T]``."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class OpenLoop:
    """The examination of one model.

    ``model``: the model's error; ``copy_last``: that of repeating the first observation; ``paired``: model minus
    copy-last, window by window (below 0: better than copying). ``by_name``: the model's error of each observation;
    ``spread``: the model's own mean spread. ``horizon``: ``[T]`` in steps; ``control_period`` in seconds.
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

    @property
    def one_step(self) -> float:
        """The model's error one step ahead (evidence level L1)."""
        return float(self.model.mean[0])


def examine_open_loop(model: WorldModel, windows: Window, groups: np.ndarray, *, seed: int = 0) -> OpenLoop:
    """Examine ``model`` on held-out windows ``[N, T, ...]``; ``groups`` ``[N]`` is the episode of each window.

    Every window is imagined from its first observation under its recorded actions. Steps that did not happen (mask)
    do not count. Raises `DataError` where there are fewer than two groups or a horizon has no window.
    """
    groups = np.asarray(groups)
    if len(np.unique(groups)) < 2:
        raise DataError("An interval needs windows of at least two episodes; hold out more episodes.")
    mask = np.asarray(windows.mask)
    if not mask.any(axis=0).all():
        raise DataError("No held-out window reaches the longest horizon; examine a shorter one.")
    imagined, spread = imagine_windows(model, windows, seed)
    real = {name: np.asarray(windows.observation[name], np.float64) for name in model.spec.observation}
    scale = {name: _scale(values) for name, values in real.items()}
    error = {name: _square(imagined[name] - real[name][:, 1:], scale[name]) for name in real}
    still = {name: _square(real[name][:, :1] - real[name][:, 1:], scale[name]) for name in real}
    ours, copied = _joint(error, real), _joint(still, real)
    curve = _Curves(groups, mask, np.random.default_rng(seed))
    return OpenLoop(
        horizon=np.arange(1, mask.shape[1] + 1),
        control_period=model.spec.control_period,
        model=curve(ours),
        copy_last=curve(copied),
        paired=curve(ours - copied),
        by_name={name: curve(np.sqrt(values)) for name, values in error.items()},
        spread=np.sum(spread * mask, axis=0) / mask.sum(axis=0),
        windows=len(mask),
        groups=len(np.unique(groups)),
    )


def imagine_windows(model: WorldModel, windows: Window, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What the model imagines under the recorded actions: observations ``[N, T, ...]`` by name, spread ``[N, T]``."""
    first = {name: jnp.asarray(windows.observation[name])[:, 0] for name in model.spec.observation}
    keys = jax.random.split(jax.random.key(seed), len(windows.action))
    observation, spread = _imagine(model, first, jnp.asarray(windows.action), keys)
    return {name: np.asarray(value, np.float64) for name, value in observation.items()}, np.asarray(spread, np.float64)


@filter_jit
def _imagine(
    model: WorldModel, first: Observation, actions: jax.Array, keys: jax.Array
) -> tuple[Observation, jax.Array]:
    def one(observation: Observation, sequence: jax.Array, key: jax.Array) -> tuple[Observation, jax.Array]:
        def body(belief: object, given: tuple) -> tuple:
            belief = model.step(belief, *given)
            said = model.read(belief)
            return belief, (said.observation, said.spread)

        start_key, *step_keys = jax.random.split(key, len(sequence) + 1)
        belief = model.start(observation, start_key)
        return jax.lax.scan(body, belief, (sequence, jnp.stack(step_keys)))[1]

    return jax.vmap(one)(first, actions, keys)


@dataclass(frozen=True)
class _Curves:
    groups: np.ndarray
    mask: np.ndarray
    rng: np.random.Generator

    def __call__(self, error: np.ndarray) -> ErrorCurve:
        """Mean over windows of ``error`` ``[N, T]`` for each horizon, with a bootstrap over groups."""
        _, index = np.unique(self.groups, return_inverse=True)
        count = index.max() + 1
        total, weight = np.zeros((count, error.shape[1])), np.zeros((count, error.shape[1]))
        np.add.at(total, index, error * self.mask)
        np.add.at(weight, index, self.mask)
        draws = self.rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        resampled = (draws @ total) / np.maximum(draws @ weight, 1e-9)
        low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
        return ErrorCurve(total.sum(axis=0) / weight.sum(axis=0), low, high)


def _scale(values: np.ndarray) -> np.ndarray:
    std = values.reshape(-1, *values.shape[2:]).std(axis=0)
    return np.where(std < 1e-9, 1.0, std)


def _square(difference: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The mean square over the entries: ``[N, T, ...]`` to ``[N, T]``."""
    squares = (difference / scale) ** 2
    return squares.reshape(*squares.shape[:2], -1).mean(axis=-1)


def _joint(squares: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> np.ndarray:
    """The root of the mean square over all entries of all observations."""
    sizes = {name: np.prod(values.shape[2:], dtype=int) for name, values in real.items()}
    return np.sqrt(sum(squares[name] * sizes[name] for name in squares) / sum(sizes.values()))
