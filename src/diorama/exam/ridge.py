"""The deterministic regression that a learned world has to beat: ridge regression of one step, rolled open loop.

Source: Hoerl and Kennard 1970, "Ridge regression". Explained is the change of the observation; explaining are the
observation and the action with all their products of two, or, where those would be too many, without the products.
"""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import DataError, EnvSpec, Metrics, Module, Prediction, Window, WorldModel, field
from diorama.core.env import Observation

MOST_DIRECT = 64
"""An observation of more numbers than these is regressed on its principal components."""
COMPONENTS = 32
MOST_SQUARED = 48
"""With more inputs than these there are no products."""
MOST_ROWS = 20_000
MOST_FRAMES = 1024
"""Frames that principal components are computed from."""
MOST_BYTES = 256 * 1024**2
"""Bytes of training observations that are used, as float64."""
ROOM = 0.5
"""How far codes may leave the range of the training data on either side, as a share of it."""
STRENGTHS = tuple(10.0**power for power in range(-7, 2))
"""Penalties that are tried, for each row of the data and standardised inputs."""


class RidgeBelief(Module):
    """The flat observation that imagination began with, its code, and the code now."""

    begun: Float[Array, " D"]
    begun_code: Float[Array, " K"]
    code: Float[Array, " K"]


class Ridge(WorldModel):
    """A world model without a network: the change of the code is ``features([code, action]) @ weights``.

    The code is the observation itself, or for long ones (pictures) its principal components; there the prediction is
    the first observation plus what the change of the code says. Codes stay inside twice the range of the training data,
    because a polynomial rolled on its own output leaves it without bound. No reward, end or spread.
    """

    spec: EnvSpec = field(static=True)
    center: Float[Array, " D"]
    basis: Float[Array, "D K"]
    low: Float[Array, " K"]
    high: Float[Array, " K"]
    mean: Float[Array, " I"]
    std: Float[Array, " I"]
    weights: Float[Array, "P K"]

    @staticmethod
    def fitted(windows: Window, spec: EnvSpec) -> "Ridge":
        """Least squares on the steps of training windows ``[N, T, ...]``; the penalty is chosen on their last fifth.

        Raises `DataError` for fewer than 20 steps that happened.
        """
        real = np.asarray(windows.mask)
        if real.sum() < 20:
            raise DataError(f"Ridge regression needs 20 training steps and was given {real.sum()}; give more windows.")
        size = sum(array.size for array in spec.observation.values())
        enough = max(2, min(MOST_ROWS // real.shape[1], MOST_BYTES // (8 * size * (real.shape[1] + 1))))
        seen = [np.asarray(windows.observation[name][:enough], np.float64) for name in sorted(spec.observation)]
        flat = np.concatenate([values.reshape(*values.shape[:2], -1) for values in seen], axis=-1)
        real, action = real[:enough], np.asarray(windows.action[:enough], np.float64)
        center, basis = _components(flat.reshape(-1, flat.shape[-1]))
        code = (flat - center) @ basis
        before, change, action = code[:, :-1][real], np.diff(code, axis=1)[real], action[real]
        inputs = np.concatenate([before, action], axis=1)
        mean, std = inputs.mean(axis=0), inputs.std(axis=0)
        std = np.where(std < 1e-9, 1.0, std)
        weights = _least_squares(features((inputs - mean) / std, np), change)
        low, high = code.min(axis=(0, 1)), code.max(axis=(0, 1))
        low, high = low - ROOM * (high - low), high + ROOM * (high - low)
        return Ridge(spec, *(jnp.asarray(a, jnp.float32) for a in (center, basis, low, high, mean, std, weights)))

    def start(self, observation: Observation, key: PRNGKeyArray) -> RidgeBelief:
        """The first observation."""
        flat = self._flat(observation)
        code = self._code(flat)
        return RidgeBelief(flat, code, code)

    def step(self, belief: RidgeBelief, action: Float[Array, " A"], key: PRNGKeyArray) -> RidgeBelief:
        """Add the predicted change."""
        return RidgeBelief(belief.begun, belief.begun_code, self._moved(belief.code, action))

    def update(
        self, belief: RidgeBelief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray
    ) -> RidgeBelief:
        """What was seen replaces the prediction."""
        return self.start(observation, key)

    def infer(self, window: Window, key: PRNGKeyArray) -> RidgeBelief:
        """The last observation of the window that happened."""
        last = jnp.sum(window.mask)
        return self.start({name: window.observation[name][last] for name in self.spec.observation}, key)

    def read(self, belief: RidgeBelief) -> Prediction:
        """The observation that the code says, within the bounds of bytes where it is a picture."""
        flat = belief.begun + self.basis @ (belief.code - belief.begun_code)
        zero, found, place = jnp.zeros(()), {}, 0
        for name in sorted(self.spec.observation):
            array = self.spec.observation[name]
            values = flat[place : place + array.size].reshape(array.shape)
            place += array.size
            found[name] = _as_kind(values, array.dtype)
        return Prediction(found, zero, zero, zero)

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The mean squared error of the change of the code, over the real steps."""
        codes = jax.vmap(lambda seen: self._code(self._flat(seen)))(window.observation)
        said = jax.vmap(self._moved)(codes[:-1], window.action)
        error = jnp.mean((said - codes[1:]) ** 2, axis=-1)
        mean = jnp.sum(error * window.mask) / jnp.maximum(window.mask.sum(), 1)
        return mean, {"squared_error": mean}

    def _moved(self, code: Float[Array, " K"], action: Float[Array, " A"]) -> Float[Array, " K"]:
        inputs = (jnp.concatenate([code, action]) - self.mean) / self.std
        return jnp.clip(code + features(inputs, jnp) @ self.weights, self.low, self.high)

    def _flat(self, observation: Observation) -> Float[Array, " D"]:
        names = sorted(self.spec.observation)
        return jnp.concatenate([jnp.asarray(observation[name], jnp.float32).reshape(-1) for name in names])

    def _code(self, flat: Float[Array, " D"]) -> Float[Array, " K"]:
        return (flat - self.center) @ self.basis


def features(inputs: Array | np.ndarray, numeric: ModuleType) -> Array | np.ndarray:
    """1, the inputs ``[..., I]`` and their products of two; ``numeric`` is ``numpy`` or ``jax.numpy``."""
    parts = [numeric.ones_like(inputs[..., :1]), inputs]
    if inputs.shape[-1] <= MOST_SQUARED:
        first, second = np.triu_indices(inputs.shape[-1])
        parts.append(inputs[..., first] * inputs[..., second])
    return numeric.concatenate(parts, axis=-1)


def _components(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center ``[D]`` and orthonormal basis ``[D, K]`` of rows ``[F, D]``: the identity where D is small."""
    if flat.shape[1] <= MOST_DIRECT:
        return np.zeros(flat.shape[1]), np.eye(flat.shape[1])
    few = flat[np.unique(np.linspace(0, len(flat) - 1, min(len(flat), MOST_FRAMES)).astype(int))]
    center = few.mean(axis=0)
    variance, axes = np.linalg.eigh((few - center) @ (few - center).T)
    kept = [k for k in np.argsort(-variance)[:COMPONENTS] if variance[k] > 1e-9 * variance.max()]
    return center, (few - center).T @ axes[:, kept] / np.sqrt(variance[kept])


def _least_squares(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights ``[P, K]``, with the penalty that predicts the last fifth of the rows best."""
    cut = len(rows) * 4 // 5
    tried = [_penalised(rows[:cut], target[:cut], strength) for strength in STRENGTHS]
    unit = np.maximum(target.std(axis=0), 1e-12)
    errors = [np.mean(((rows[cut:] @ weights - target[cut:]) / unit) ** 2) for weights in tried]
    return _penalised(rows, target, STRENGTHS[int(np.argmin(errors))])


def _penalised(rows: np.ndarray, target: np.ndarray, strength: float) -> np.ndarray:
    penalty = np.full(rows.shape[1], strength * len(rows))
    penalty[0] = 1e-9  # the constant is free
    return np.linalg.solve(rows.T @ rows + np.diag(penalty), rows.T @ target)


def _as_kind(values: Array, dtype: str) -> Array:
    """As the spec's dtype; whole numbers are rounded into their range."""
    kind = np.dtype(dtype)
    if not np.issubdtype(kind, np.integer):
        return values.astype(kind)
    limits = np.iinfo(kind)
    return jnp.clip(jnp.round(values), limits.min, limits.max).astype(kind)
