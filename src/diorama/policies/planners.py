"""Planners as policies: imagine action sequences inside the bounds, move the plan towards the good ones, do its start.

A planner thinks in an `Env`, so it plans in a learned world (``as_env(model, ...)``) as in a simulator. How it searches
is an object: by sampling (`planning_search`), by derivatives (`planning_descent`), or by one after the other.
"""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, EnvSpec, Policy, field
from diorama.core.env import Observation, State
from diorama.imagine.gradient import Gradient, Through
from diorama.policies.config import DescentConfig, IcemConfig, PlannerConfig
from diorama.policies.planning_descent import Descent, ThenDescent
from diorama.policies.planning_draws import Draw, Truncated
from diorama.policies.planning_problem import Problem, Value, offer, physical
from diorama.policies.planning_search import Elites, Icem, Rounds, Search, Weighted


class Planner(Policy):
    """Model-predictive control: searches a plan at every step and does its first action.

    ``begin`` turns an observation into a state of ``env``: of a learned world it is ``model.start``, which knows one
    observation and no past. ``value`` is what to expect beyond the horizon. ``proposal`` is a policy whose own
    trajectory joins the plans that are tried. One world at a time; a batch is ``jax.vmap``, and in host worlds a
    planner acts through ``JittedPolicy`` as any policy does.
    """

    env: Env
    config: PlannerConfig = field(static=True)
    search: Search
    begin: Callable[[Observation, PRNGKeyArray], State]
    value: Value | None = None
    proposal: Policy | None = None

    def init(self, spec: EnvSpec) -> Any:
        """What the search remembers at the start of an episode."""
        return self.search.init(self.config, spec.action.size)

    def act(self, memory: Any, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Any]:
        """Plan from here; act with the first step of the plan."""
        begin_key, propose_key, key = jax.random.split(key, 3)
        state = self.begin(observation, begin_key)
        offered = offer(self.env, self.proposal, state, self.config.horizon, propose_key)
        plan, memory = self.search(Problem(self.env, self.config, self.value, state, offered), memory, key)
        return physical(self.env.spec, plan[:1])[0], memory


def mppi(
    env: Env,
    config: PlannerConfig,
    begin: Callable,
    *,
    draw: Draw = Truncated(),  # noqa: B008 (immutable)
    **more: Value | Policy | None,
) -> Planner:
    """Model-predictive path integral control; ``more``: ``value`` and ``proposal`` of `Planner`."""
    return Planner(env, config, Rounds(Weighted(), draw), begin, **more)


def cem(
    env: Env,
    config: PlannerConfig,
    begin: Callable,
    *,
    draw: Draw = Truncated(),  # noqa: B008 (immutable)
    **more: Value | Policy | None,
) -> Planner:
    """The cross-entropy method; ``more``: ``value`` and ``proposal`` of `Planner`."""
    return Planner(env, config, Rounds(Elites(), draw), begin, **more)


def icem(
    env: Env,
    config: PlannerConfig,
    begin: Callable,
    *,
    how: IcemConfig = IcemConfig(),  # noqa: B008 (immutable)
    **more: Value | Policy | None,
) -> Planner:
    """The improved cross-entropy method; ``more``: ``value`` and ``proposal`` of `Planner`.

    Raises `ConfigError` for fewer samples than twice the elites.
    """
    how.counts(config)
    return Planner(env, config, Icem(how), begin, **more)


def gradient_planner(
    env: Env,
    config: PlannerConfig,
    begin: Callable,
    *,
    how: DescentConfig = DescentConfig(),  # noqa: B008 (immutable)
    gradient: Gradient = Through(),  # noqa: B008 (immutable)
    **more: Value | Policy | None,
) -> Planner:
    """Adam on the action sequence through the world; ``more``: ``value`` and ``proposal`` of `Planner`.

    Of ``config`` it uses ``horizon``, ``noise``, ``discount``, ``draws`` and ``chunk``. Raises `ConfigError` for a
    ``gradient`` of `Stop`.
    """
    return Planner(env, config, Descent(how, gradient), begin, **more)


def cem_then_gradient(
    env: Env,
    config: PlannerConfig,
    begin: Callable,
    *,
    how: DescentConfig = DescentConfig(restarts=1),  # noqa: B008 (immutable)
    gradient: Gradient = Through(),  # noqa: B008 (immutable)
    draw: Draw = Truncated(),  # noqa: B008 (immutable)
    **more: Value | Policy | None,
) -> Planner:
    """The cross-entropy method, then Adam from the plan that it found; ``more``: as in `gradient_planner`."""
    return Planner(env, config, ThenDescent(Rounds(Elites(), draw), Descent(how, gradient)), begin, **more)
