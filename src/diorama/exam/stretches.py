"""The windows of an exam and what models imagine about them, in chunks that fit in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import DataError, EnvSpec, Window, WorldModel, filter_jit

CHUNK_BYTES = 32 * 1024**2
"""About how many bytes the real observations of one chunk take as float64."""
CHUNK = 128

Seen = dict[str, np.ndarray]


@runtime_checkable
class Membered(Protocol):
    """A model of several hypotheses, such as an ensemble: each member alone is a model."""

    @property
    def members(self) -> int:
        """How many there are."""
        ...

    def member(self, index: int) -> WorldModel:
        """The model of one member."""
        ...


@dataclass(frozen=True)
class Stretches:
    """Windows ``[N, context + T, ...]``: ``context`` steps are seen, the T after them imagined.

    ``names``: the observations examined. Random keys belong to ``seed``, window and draw, so that two models, or two
    sequences of actions, meet the same chance.
    """

    windows: Window
    spec: EnvSpec
    context: int
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """The observations that are examined."""
        return tuple(self.spec.observation)

    @cached_property
    def real(self) -> np.ndarray:
        """Whether each imagined step happened, bool ``[N, T]``."""
        return np.asarray(self.windows.mask)[:, self.context :]

    @cached_property
    def actions(self) -> np.ndarray:
        """The recorded actions of the imagined steps, ``[N, T, A]``."""
        return np.asarray(self.windows.action, np.float32)[:, self.context :]

    @cached_property
    def size(self) -> int:
        """Windows in a chunk."""
        rows = len(self.real)
        entries = sum(np.asarray(self.windows.observation[name][:1]).size for name in self.names)
        return int(np.clip(CHUNK_BYTES // (8 * entries), 1, min(CHUNK, rows)))

    def chunks(self, rows: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Row numbers, chunk by chunk; of all windows by default."""
        rows = np.arange(len(self.real)) if rows is None else rows
        for start in range(0, len(rows), self.size):
            yield rows[start : start + self.size]

    def seen(self, rows: np.ndarray) -> Seen:
        """The observations ``[n, context + T + 1, ...]`` of some windows, float64."""
        return {name: np.asarray(self.windows.observation[name][rows], np.float64) for name in self.names}

    def followed(self, rows: np.ndarray) -> Seen:
        """What happened in the imagined steps, ``[n, T, ...]``, float64."""
        return {name: values[:, self.context + 1 :] for name, values in self.seen(rows).items()}

    def imagined(
        self, model: WorldModel, rows: np.ndarray, *, actions: np.ndarray | None = None, draw: int = 0
    ) -> tuple[Seen, np.ndarray]:
        """What the model imagines: observations ``[n, T, ...]`` by name and spread ``[n, T]``, float64.

        ``actions`` ``[N, T, A]`` take the place of the recorded ones. Raises `DataError` for NaN and infinity.
        """
        # Every chunk has the same number of windows, so there is one compiled program.
        padded = np.resize(rows, self.size)
        given = self.actions if actions is None else actions
        keys = jax.random.split(jax.random.fold_in(jax.random.key(self.seed), draw), len(self.real))
        seen, now = self._begun(model, padded)
        said, spread = _imagine(model, seen, now, jnp.asarray(given[padded]), keys[padded])
        count = len(rows)
        found = {name: np.asarray(said[name], np.float64)[:count] for name in self.names}
        self._check_finite(found, model)
        return found, np.asarray(spread, np.float64)[:count]

    def _begun(self, model: WorldModel, rows: np.ndarray) -> tuple[Window, dict[str, jax.Array]]:
        """What a model is shown: the steps before imagination begins, and the observation where it begins."""
        windows, steps = self.windows, self.context
        shown = {n: jnp.asarray(windows.observation[n][rows, : steps + 1]) for n in model.spec.observation}
        rest = (windows.action, windows.reward, windows.end, windows.mask)
        seen = Window(shown, *(jnp.asarray(leaf[rows, :steps]) for leaf in rest))
        return seen, {name: values[:, -1] for name, values in shown.items()}

    def _check_finite(self, found: Seen, model: WorldModel) -> None:
        for name, values in found.items():
            if not np.isfinite(values).all():
                raise DataError(
                    f"{type(model).__name__} imagined NaN or infinity for observation {name!r} within "
                    f"{values.shape[1]} steps; fit it longer or with a smaller learning rate, or examine fewer steps."
                )


def draws_of(model: WorldModel, count: int) -> list[tuple[WorldModel, int]]:
    """Models and draw numbers of ``count`` imagined futures: each member of a model that has members, else by chance.

    Members are exchangeable draws of what might be true. Each is used once, so there are at most as many as members.
    """
    if isinstance(model, Membered) and model.members > 1:
        return [(model.member(index), 1 + index) for index in range(min(count, model.members))]
    return [(model, 1 + index) for index in range(count)]


def copied(stretches: Stretches, rows: np.ndarray) -> Seen:
    """The baseline that repeats the observation where imagination begins, ``[n, T, ...]``."""
    begin = stretches.context
    return {
        name: np.broadcast_to(values[:, begin : begin + 1], values[:, begin + 1 :].shape)
        for name, values in stretches.seen(rows).items()
    }


def drifted(stretches: Stretches, rows: np.ndarray) -> Seen:
    """The baseline that repeats the last change before imagination begins, within the bounds of the spec."""
    begin, found = stretches.context, {}
    for name, values in stretches.seen(rows).items():
        steps = np.arange(1, values.shape[1] - begin).reshape(1, -1, *[1] * (values.ndim - 2))
        change = values[:, begin : begin + 1] - values[:, begin - 1 : begin]
        found[name] = np.clip(values[:, begin : begin + 1] + steps * change, *stretches.spec.observation[name].bounds())
    return found


@filter_jit
def _imagine(
    model: WorldModel, seen: Window, now: dict[str, jax.Array], actions: jax.Array, keys: jax.Array
) -> tuple[dict[str, jax.Array], jax.Array]:
    def one(seen: Window, now: dict, sequence: jax.Array, key: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        def body(belief: object, given: tuple) -> tuple:
            belief = model.step(belief, *given)
            said = model.read(belief)
            return belief, (said.observation, said.spread)

        start_key, *step_keys = jax.random.split(key, len(sequence) + 1)
        belief = model.infer(seen, start_key) if seen.length else model.start(now, start_key)
        return jax.lax.scan(body, belief, (sequence, jnp.stack(step_keys)))[1]

    return jax.vmap(one)(seen, now, actions, keys)
