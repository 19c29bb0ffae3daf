"""One rollout for everything: reality in JAX, a learned world, training, planning, evaluation.

A world model is an environment (`diorama.imagine.as_env`), a planner is a policy, and how to differentiate the
rollout is an argument.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from diorama.core import Env, Policy, Trajectory
from diorama.core.env import Scenario, State
from diorama.core.errors import SpecError
from diorama.imagine.gradient import FORWARD, Gradient, Stop

_REMATERIALISED = partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names(FORWARD))


def rollout(
    env: Env,
    policy: Policy,
    start: State,
    *,
    length: int,
    key: PRNGKeyArray,
    gradient: Gradient = Stop(),  # noqa: B008 (immutable)
    scenario: Scenario | None = None,
) -> Trajectory:
    """Let ``policy`` act in ``env`` from the state ``start`` for ``length`` steps, or until the world ends.

    One world at a time; a batch is ``jax.vmap`` at the call. After the end the state is kept and ``mask`` is False.
    ``gradient`` is `Stop`, `Through` or `Decoupled`. ``scenario`` is recorded, not applied (``env.reset`` does that).
    Raises `SpecError` for a length below 1.
    The body is rematerialised, so a gradient's memory grows with the carry alone, not with the work of a step; only
    what a forward world showed under `Decoupled` is remembered.
    """
    return rollout_to(env, policy, start, length=length, key=key, gradient=gradient, scenario=scenario)[0]


def rollout_to(
    env: Env,
    policy: Policy,
    start: State,
    *,
    length: int,
    key: PRNGKeyArray,
    gradient: Gradient = Stop(),  # noqa: B008 (immutable)
    scenario: Scenario | None = None,
) -> tuple[Trajectory, State]:
    """`rollout`, and the state of the world where it stopped, to go on from."""
    if length < 1:
        raise SpecError(f"A length of {length} steps is no rollout; give at least 1.")
    start_key, scan_key = jax.random.split(key)
    carry = gradient.start(env, start, start_key)
    first = env.observe(carry[0])

    def body(held: tuple, step_key: PRNGKeyArray) -> tuple:
        carry, memory, observation, over = held
        act_key, world_key = jax.random.split(step_key)
        action, memory = policy.act(memory, observation, act_key)
        following, seen = gradient.step(env, carry, action, world_key)
        following, observation = _keep(over, (carry, observation), (following, seen.observation))
        reward = jnp.where(over, 0.0, seen.reward)
        held = (following, memory, observation, over | seen.end)
        return held, (observation, action, reward, seen.end & ~over, ~over)

    held = (carry, policy.init(env.spec), first, env.terminal(carry[0]))
    held, (later, action, reward, end, mask) = jax.lax.scan(
        _REMATERIALISED(body), held, jax.random.split(scan_key, length)
    )
    observation = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)
    state, _ = held[0]
    return Trajectory(observation, action, reward, end, mask, scenario or {}), state


def _keep(over: jax.Array, old: tuple, new: tuple) -> tuple:
    return jax.tree.map(lambda a, b: jnp.where(over, a, b), old, new)
