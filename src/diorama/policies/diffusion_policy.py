"""A policy that draws chunks of actions by denoising (Diffusion Policy, Chi et al. 2023, arXiv 2303.04137)."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from diorama.core import EnvSpec, Module, Policy, field, tree_at
from diorama.core.env import Observation
from diorama.nn import Features, Layout
from diorama.nn.planar import rotate
from diorama.nn.planar_frame import Pair
from diorama.policies.actor import bounds, measure
from diorama.policies.denoisers import MLPDenoiser, UNetDenoiser, build_denoiser
from diorama.policies.diffusion_config import DiffusionPolicyConfig
from diorama.policies.diffusion_schedule import DDIM, DDPM, Schedule

Memory = tuple[Float[Array, "history o"], Float[Array, "execute A"], Int[Array, ""]]
"""The last observations (flat), the chunk that is being carried out, and the steps since the episode began."""


class ActionRange(Module):
    """Between physical actions and [-1, 1]: the range that demonstrations use, inside the bounds of the spec."""

    low: Float[Array, " A"]
    high: Float[Array, " A"]

    def unit(self, action: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """Physical to [-1, 1]; actions beyond the range are clipped."""
        low, high = self._ends(action)
        return jnp.clip(2 * (action - low) / (high - low) - 1, -1.0, 1.0)

    def physical(self, unit: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """[-1, 1] to physical, never beyond the range."""
        low, high = self._ends(unit)
        return jnp.clip(low + (jnp.clip(unit, -1.0, 1.0) + 1) * 0.5 * (high - low), low, high)

    def _ends(self, like: Array) -> tuple[Array, Array]:
        ends = jax.lax.stop_gradient((self.low, self.high))
        return jax.tree.map(lambda end: jnp.broadcast_to(end, like.shape), ends)

    def turning(self, pairs: tuple[Pair, ...]) -> "ActionRange":
        """The same range, but for each planar pair the square around 0 that holds every turn of it."""
        low, high = self.low, self.high
        for pair in pairs:
            index = np.array(pair)
            reach = jnp.linalg.norm(jnp.maximum(-low[index], high[index]))
            low, high = low.at[index].set(-reach), high.at[index].set(reach)
        return ActionRange(low, high)

    @staticmethod
    def of(actions: np.ndarray, low: np.ndarray, high: np.ndarray) -> "ActionRange":
        """The range of ``actions`` ``[N, A]`` within bounds ``[A]``; entries that hardly vary get the whole bounds."""
        rows = np.clip(np.asarray(actions, np.float64), low, high)
        least, most = rows.min(axis=0), rows.max(axis=0)
        still = most - least < 1e-3 * (high - low)
        ends = np.where(still, low, least), np.where(still, high, most)
        return ActionRange(*(jnp.asarray(end, jnp.float32) for end in ends))


class DiffusionPolicy(Policy):
    """Looks at the last observations, denoises a chunk of actions, carries out the first of them, and looks again.

    Actions are inside the bounds of the spec by construction. Where the frame names planar entries of the action, the
    whole chunk is planned in the frame as it is at the newest observation. It cannot be differentiated through (`Stop`
    only): a chunk is drawn in a loop that a step without a new chunk does not enter.
    """

    features: Features
    limits: ActionRange
    denoiser: MLPDenoiser | UNetDenoiser
    sampler: DDIM | DDPM
    schedule: Schedule
    config: DiffusionPolicyConfig = field(static=True)
    low: tuple[float, ...] = field(static=True)
    high: tuple[float, ...] = field(static=True)

    @staticmethod
    def build(config: DiffusionPolicyConfig, spec: EnvSpec, seed: int) -> "DiffusionPolicy":
        """An untrained policy that samples by `DDIM`.

        Raises `SpecError` for unbounded actions and observations that are not vectors.
        """
        low, high = bounds(spec)
        features = Features.build(Layout.of(spec, owner="The diffusion policy"), config.frame)
        rng = np.random.default_rng(seed)
        denoiser = build_denoiser(config, rng, spec.action.size, config.history * features.size)
        whole = ActionRange(jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)).turning(config.turned)
        sampler, schedule = DDIM(min(10, config.noise_steps)), Schedule(config.noise_steps)
        bound = tuple(low.tolist()), tuple(high.tolist())
        return DiffusionPolicy(features, whole, denoiser, sampler, schedule, config, *bound)

    def init(self, spec: EnvSpec) -> Memory:
        """Nothing seen and nothing planned at step 0."""
        chunk = jnp.zeros((self.config.execute, spec.action.size))
        return jnp.zeros((self.config.history, self.features.layout.size)), chunk, jnp.zeros((), jnp.int32)

    def act(self, memory: Memory, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Memory]:
        """The next action of the chunk; a new chunk where the old one is used up. The first observation repeats."""
        history, chunk, step = memory
        now = self.features.layout.flatten(observation)
        begun = jnp.where(step == 0, jnp.broadcast_to(now, history.shape), history)
        history = jnp.concatenate([begun[1:], now[None]])
        place = step % self.config.execute
        chunk = _when(place == 0, lambda: self._next(history, key), chunk)
        return chunk[place], (history, chunk, step + 1)

    def chunk(self, history: Float[Array, "history o"], key: PRNGKeyArray) -> Float[Array, "H A"]:
        """A whole chunk of physical actions; row 0 belongs to the oldest of the flat observations."""
        noise_key, sample_key = jax.random.split(key)
        seen, schedule = self.see(history), self.schedule
        noise = jax.random.normal(noise_key, (self.config.horizon, self.limits.low.shape[0]))
        sample = self.sampler(
            lambda x, step: schedule.clean(x, self.denoiser(x, step, seen), step), schedule, noise, sample_key
        )
        return self.physical(sample, history[-1])

    def unit(self, actions: Float[Array, "H A"], latest: Float[Array, " o"]) -> Float[Array, "H A"]:
        """Physical actions as the denoiser knows them: in the frame at the flat observation ``latest``, in [-1, 1]."""
        return self.limits.unit(self._turned(actions, latest, -1.0))

    def physical(self, unit: Float[Array, "H A"], latest: Float[Array, " o"]) -> Float[Array, "H A"]:
        """The inverse of `unit`, inside the bounds of the spec."""
        actions = self._turned(self.limits.physical(unit), latest, 1.0)
        low, high = (jnp.broadcast_to(jnp.array(end), actions.shape) for end in (self.low, self.high))
        return jnp.clip(actions, low, high)

    def _turned(self, actions: Float[Array, "H A"], latest: Float[Array, " o"], sense: float) -> Float[Array, "H A"]:
        """The planar pairs of each action turned by the frame's heading (``sense`` 1) or back by it (-1)."""
        for pair in self.config.turned:
            index = np.array(pair)
            heading = latest[np.array(self.config.frame.heading)] * jnp.array([1.0, sense])
            turned = rotate(actions[:, index], jnp.broadcast_to(heading, (actions.shape[0], 2)))
            actions = actions.at[:, index].set(turned)
        return actions

    def see(self, history: Float[Array, "history o"]) -> Float[Array, " n"]:
        """The normalised features of the last observations, side by side."""
        return jax.vmap(self.features.of_vector)(history).reshape(-1)

    def measured(self, observation: Mapping[str, Any], actions: np.ndarray, spec: EnvSpec) -> "DiffusionPolicy":
        """The same policy with the statistics of demonstrations: observations ``[N, ...]``, actions ``[N, A]``."""
        limits = ActionRange.of(actions, *bounds(spec)).turning(self.config.turned)
        parts = measure(self.features, observation), limits
        return tree_at(lambda p: (p.features, p.limits), self, parts)

    def sampling(self, sampler: DDIM | DDPM) -> "DiffusionPolicy":
        """The same policy with another sampler."""
        return tree_at(lambda p: p.sampler, self, sampler)

    def _next(self, history: Float[Array, "history o"], key: PRNGKeyArray) -> Float[Array, "execute A"]:
        first = self.config.history - 1
        return self.chunk(history, key)[first : first + self.config.execute]


def _when(due: Bool[Array, ""], make: Callable[[], Array], otherwise: Array) -> Array:
    """``make()`` where ``due``.

    A loop of at most one turn and not a `cond`, which under ``vmap`` would always do the work: worlds that began
    together draw their chunks at the same steps, and at all others nothing is computed.
    """
    _, result = jax.lax.while_loop(lambda held: held[0], lambda held: (~held[0], make()), (due, otherwise))
    return result
