"""Many worlds that live on from one update to the next, and begin anew where they end or time runs out.

This is the one place besides ``rollout`` that scans over a world's time. ``rollout`` follows one episode and keeps a
world that ended as it is; here a piece begins in the middle of episodes, runs on through their ends, and hands back the
states to go on from.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from diorama.core import Env, Module, Policy
from diorama.core.env import Observation, State
from diorama.learn.standing import fresh_states


class Persistent(Module):
    """Where a world stands: its state, the steps since it began, and the return so far.

    ``whole`` is False in a first episode that is shorter than the rest, so that its return is not counted.
    ``discounted`` is the discounted sum of the rewards so far, which reward scaling looks at.
    """

    state: State
    steps: Int[Array, "*N"]
    returned: Float[Array, "*N"]
    discounted: Float[Array, "*N"]
    whole: Bool[Array, "*N"]


class Piece(Module):
    """What happened in one world over T steps; episodes may end and begin within them.

    ``after[t]`` is what was seen after ``action[t]``, before the world may have begun anew: where ``over[t]``, it is
    the last observation of an episode and ``before[t + 1]`` the first of the next. ``end[t]``: the world ended, as
    opposed to being cut off. ``discounted[t]``: the running discounted return. ``returned[t]``: the return of the
    episode, where ``counted[t]``.
    """

    before: Observation
    action: Float[Array, "*N A"]
    reward: Float[Array, "*N"]
    after: Observation
    end: Bool[Array, "*N"]
    over: Bool[Array, "*N"]
    discounted: Float[Array, "*N"]
    returned: Float[Array, "*N"]
    counted: Bool[Array, "*N"]


def begin(env: Env, worlds: int, episode: int, key: PRNGKeyArray) -> Persistent:
    """Worlds at their start ``[N]``, with different times to go until they are first cut off.

    Were they all cut off together, each update would see one phase of the task only.
    """
    reset_key, steps_key = jax.random.split(key)
    state = fresh_states(env, worlds, reset_key)
    steps = jax.random.randint(steps_key, (worlds,), 0, episode)
    return Persistent(state, steps, jnp.zeros(worlds), jnp.zeros(worlds), steps == 0)


def run_on(
    env: Env, policy: Policy, world: Persistent, *, length: int, episode: int, discount: float, key: PRNGKeyArray
) -> tuple[Persistent, Piece]:
    """Let a policy without memory act in one world for ``length`` steps; a batch is ``jax.vmap`` at the call.

    A world begins anew where it ended and after ``episode`` steps.
    """

    def body(world: Persistent, step_key: PRNGKeyArray) -> tuple[Persistent, Piece]:
        act_key, world_key, reset_key = jax.random.split(step_key, 3)
        before = env.observe(world.state)
        action, _ = policy.act(None, before, act_key)
        state = env.step(world.state, action, world_key)
        reward, end = env.reward(world.state, action, state), env.terminal(state)
        over = end | (world.steps + 1 >= episode)
        returned, discounted = world.returned + reward, discount * world.discounted + reward
        anew = env.reset(env.spec.scenario.default(), reset_key)
        following = Persistent(
            jax.tree.map(lambda new, old: jnp.where(over, new, old), anew, state),
            jnp.where(over, 0, world.steps + 1),
            jnp.where(over, 0.0, returned),
            jnp.where(over, 0.0, discounted),
            world.whole | over,
        )
        counted = over & world.whole
        return following, Piece(before, action, reward, env.observe(state), end, over, discounted, returned, counted)

    return jax.lax.scan(body, world, jax.random.split(key, length))


def advantages(
    piece: Piece,
    reward: Float[Array, " T"],
    value: Float[Array, " T"],
    value_after: Float[Array, " T"],
    discount: float,
    trace: float,
) -> Float[Array, " T"]:
    """Generalised advantage estimates of one piece (arXiv 1506.02438, equation 16).

    ``value_after`` are the values of ``piece.after``. A world that was cut off is worth what the critic says of its
    last observation; one that ended is worth nothing beyond. No estimate reaches across the start of an episode.
    """
    surprise = reward + discount * jnp.where(piece.end, 0.0, value_after) - value

    def body(later: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        surprise, over = given
        now = surprise + discount * trace * jnp.where(over, 0.0, later)
        return now, now

    _, found = jax.lax.scan(body, jnp.zeros(()), (surprise, piece.over), reverse=True)
    return found
