"""How far policy gradients from models point where the true one points, against the horizon.

For each way to take the gradient of an actor's discounted return: the cosine with the true gradient, the ratio of the
norms and the share of equal signs, over all parameters of the actor. All ways meet the same starts and the same chance,
so a perfect model agrees exactly. The cosine between halves of a batch says how much of a gradient is chance.

Source: DMO (arXiv 2509.00215), whose diagnostic is the cosine of the true with the decoupled and the imagined gradient.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import (
    DataError,
    Env,
    Module,
    Policy,
    SpecError,
    Trajectory,
    WorldModel,
    combine,
    field,
    filter_jit,
    is_inexact_array,
    partition,
)
from diorama.core.env import State
from diorama.exam.bootstrap import Bootstrap, ErrorCurve
from diorama.imagine import Gradient, Through, as_env, rollout
from diorama.imagine.gradient import Reward

TRUE = "true"
"""The name of the reference among the modes of a result."""


class Mode(Module):
    """A way to take a policy gradient: which world is rolled out, and how it is differentiated."""

    @abc.abstractmethod
    def imagine(self, env: Env, policy: Policy, start: State, length: int, key: PRNGKeyArray) -> Trajectory:
        """The trajectory of ``length`` steps from a state of the true ``env``, with this mode's derivatives."""


class InTruth(Mode):
    """The true world is rolled out: differentiated itself (`Through`), or through a local model (`Decoupled`)."""

    gradient: Gradient

    def imagine(self, env: Env, policy: Policy, start: State, length: int, key: PRNGKeyArray) -> Trajectory:
        """See `Mode.imagine`."""
        return rollout(env, policy, start, length=length, key=key, gradient=self.gradient)


class InModel(Mode):
    """A learned world is rolled out, from what the true world shows of the state.

    `Through` the local model is pure imagination; `Decoupled` with another model as the local one is coupled worlds.
    """

    model: WorldModel
    gradient: Gradient

    def imagine(self, env: Env, policy: Policy, start: State, length: int, key: PRNGKeyArray) -> Trajectory:
        """See `Mode.imagine`."""
        seen = env.observe(start)
        world = as_env(self.model, {name: value[None] for name, value in seen.items()})
        # The rollout gets the same key as in `InTruth`, so that the actor's noise is the same there and here.
        begun = self.model.start(seen, jax.random.fold_in(key, 1))
        return rollout(world, policy, begun, length=length, key=key, gradient=self.gradient)


@dataclass(frozen=True)
class Agreement:
    """One mode against the reference; curves hold one number for each horizon.

    ``cosine``: mean over batches. ``norm_ratio``: the mode's norm over the reference's, geometric mean. ``sign``: the
    share of parameters with the sign of the reference, of those where the reference is not 0. ``halves``: the cosine
    between two independent halves of a batch, both in this mode. ``norm``: geometric mean ``[H]``, in units of the
    reward. ``cosines``: batch by batch ``[B, H]``.
    """

    cosine: ErrorCurve
    norm_ratio: ErrorCurve
    sign: ErrorCurve
    halves: ErrorCurve
    norm: np.ndarray
    cosines: np.ndarray


@dataclass(frozen=True)
class GradientAgreement:
    """All modes, the reference as "true" among them. ``starts`` is the number in each of the ``batches``."""

    horizons: tuple[int, ...]
    modes: dict[str, Agreement]
    batches: int
    starts: int
    parameters: int
    bootstrap: Bootstrap

    def difference(self, first: str, second: str) -> ErrorCurve:
        """The cosine of ``first`` minus that of ``second``, paired by batch: above 0, ``first`` agrees better."""
        pair = self.modes[first].cosines - self.modes[second].cosines
        return self.bootstrap.mean(pair, np.ones(pair.shape, bool))


def examine_gradients(
    env: Env,
    actor: Policy,
    starts: State,
    modes: Mapping[str, Mode],
    *,
    horizons: Sequence[int] = (1, 2, 4, 8, 16, 32),
    batches: int = 16,
    discount: float = 0.99,
    reward: Reward | None = None,
    reference: Mode | None = None,
    seed: int = 0,
) -> GradientAgreement:
    """Compare gradients of ``sum_t discount^t reward_t`` over each horizon [steps] with respect to the actor.

    ``env``: the true world, differentiable; ``starts``: its states, a pytree of ``[N, ...]``, dealt in their order to
    ``batches`` batches of equal size (those left over are dropped), over which intervals are taken. ``modes`` by name.
    ``actor`` is used as it is given: a sampling one draws the same noise in every mode. ``reward``: a known function of
    (observation, action, next observation) that takes the place of every world's own reward; without it a learned world
    gives the reward of its head. ``reference``: the gradient to agree with, by default ``InTruth(Through())``.

    Raises `SpecError` for horizons below 1, fewer than two batches or too few starts, and where a mode is named "true";
    `DataError` where a gradient is not finite or the reference is 0.
    """
    size = _checked(modes, horizons, batches, starts)
    keys = jax.random.split(jax.random.key(seed), 2 * batches * size)
    dealt = _dealt((starts, keys), batches, size)
    setting = _Setting(env, reward, float(discount), tuple(int(h) for h in horizons))
    all_modes = {TRUE: InTruth(Through()) if reference is None else reference, **modes}
    found: dict[str, np.ndarray] = {}
    for name, mode in all_modes.items():
        found[name] = np.asarray(_gradients(setting, mode, actor, *dealt), np.float64)
        _check(name, found[name], setting.horizons, reference=name == TRUE)
    bootstrap = Bootstrap.of(np.arange(batches), seed)
    agreements = {name: _agreement(halves, found[TRUE], bootstrap) for name, halves in found.items()}
    return GradientAgreement(setting.horizons, agreements, batches, 2 * size, found[TRUE].shape[-1], bootstrap)


class _Setting(Module):
    env: Env
    reward: Reward | None = field(static=True)
    discount: float = field(static=True)
    horizons: tuple[int, ...] = field(static=True)


def _checked(modes: Mapping[str, Mode], horizons: Sequence[int], batches: int, starts: State) -> int:
    """The starts in half a batch."""
    count = len(jax.tree.leaves(starts)[0])
    if TRUE in modes:
        raise SpecError(f"The name {TRUE!r} is that of the reference; call your mode otherwise, or give reference=.")
    if not horizons or min(horizons) < 1:
        raise SpecError(f"Horizons {list(horizons)} must be at least one number of steps, each at least 1.")
    if batches < 2 or count < 2 * batches:
        raise SpecError(f"{count} starts in {batches} batches; give at least 2 batches and 2 starts for each.")
    return count // (2 * batches)


def _dealt(given: Any, batches: int, size: int) -> Any:
    """Half-batches: leaves ``[2 batches, size, ...]``."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf)[: 2 * batches * size].reshape(2 * batches, size, *leaf.shape[1:]), given
    )


@filter_jit
def _gradients(setting: _Setting, mode: Mode, actor: Policy, starts: State, keys: Array) -> Array:
    """The gradient of each half-batch, ``[2 B, H, P]``.

    One rollout of the longest horizon serves all: the shorter returns are its partial sums.
    """
    held, rest = partition(actor, is_inexact_array)

    def returns(held: Any, starts: State, keys: Array) -> Float[Array, " H"]:
        each = jax.vmap(lambda state, key: _returns(setting, mode, combine(held, rest), state, key))
        return each(starts, keys).mean(axis=0)

    def flat(half: tuple[State, Array]) -> Float[Array, "H P"]:
        rows = jax.tree.leaves(jax.jacrev(returns)(held, *half))
        return jnp.concatenate([leaf.reshape(len(setting.horizons), -1) for leaf in rows], axis=1)

    return jax.lax.map(flat, (starts, keys))


def _returns(setting: _Setting, mode: Mode, actor: Policy, state: State, key: PRNGKeyArray) -> Float[Array, " H"]:
    """The discounted return over each horizon, of one world."""
    length = max(setting.horizons)
    seen = mode.imagine(setting.env, actor, state, length, key)
    earned = seen.reward if setting.reward is None else _rewards(setting.reward, seen)
    total = jnp.cumsum(setting.discount ** jnp.arange(length) * earned)
    return total[np.array(setting.horizons) - 1]


def _rewards(reward: Reward, seen: Trajectory) -> Float[Array, " T"]:
    """The known reward of each step that happened; its derivatives are those of the trajectory."""
    before = {name: value[:-1] for name, value in seen.observation.items()}
    after = {name: value[1:] for name, value in seen.observation.items()}
    return jax.vmap(reward)(before, seen.action, after) * seen.mask


def _check(name: str, gradients: np.ndarray, horizons: tuple[int, ...], *, reference: bool) -> None:
    for place, horizon in enumerate(horizons):
        if not np.isfinite(gradients[:, place]).all():
            raise DataError(
                f"The gradient {name!r} over {horizon} steps holds NaN or infinity; examine shorter horizons, "
                "or a world that does not leave the finite numbers."
            )
        if reference and not gradients[:, place].any(axis=-1).all():
            raise DataError(
                f"The reference gradient over {horizon} steps is 0, so nothing can agree with it; give a reward= that "
                "depends on what the actor does, or longer horizons."
            )


def _agreement(halves: np.ndarray, reference: np.ndarray, bootstrap: Bootstrap) -> Agreement:
    """Of half-batches ``[2 B, H, P]`` with those of the reference; a batch is the mean of its halves."""
    first, second = halves[::2], halves[1::2]
    own, true = (first + second) / 2, (reference[::2] + reference[1::2]) / 2
    real = np.ones(own.shape[:2], bool)
    cosines = _cosine(own, true)
    norm, wanted = (np.log(np.maximum(np.linalg.norm(g, axis=-1), 1e-30)) for g in (own, true))
    same = ((np.sign(own) == np.sign(true)) & (true != 0)).sum(axis=-1) / (true != 0).sum(axis=-1)
    return Agreement(
        bootstrap.mean(cosines, real),
        bootstrap.mean(norm - wanted, real, np.exp),
        bootstrap.mean(same, real),
        bootstrap.mean(_cosine(first, second), real),
        np.exp(norm.mean(axis=0)),
        cosines,
    )


def _cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Along the last axis; 0 where one of the two is 0, which points nowhere."""
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.divide((first * second).sum(axis=-1), norms, out=np.zeros_like(norms), where=norms > 0)
