"""Search by derivatives: Adam on action sequences through the world, from several starts."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import ConfigError, field
from diorama.imagine.gradient import Gradient, Stop
from diorama.policies.config import DescentConfig, PlannerConfig
from diorama.policies.planning_draws import Truncated
from diorama.policies.planning_problem import Problem, shifted
from diorama.policies.planning_search import Rounds, Search

# Where a start lies on a bound, the tanh has no derivative that could bring it back.
INSIDE = 0.99
Plans = Float[Array, "R T A"]


class Descent(Search):
    """Ascends the imagined return by Adam, from the last plan, the proposals and draws around the last plan.

    A plan is the tanh of what Adam moves, so it is always inside the bounds. ``gradient`` says whose derivatives are
    used: `Through` the world in which it plans, or `Decoupled` through a local model. The best plan met on any of the
    ways is kept and done. The memory is that plan, shifted by one step.
    """

    how: DescentConfig = field(static=True)
    gradient: Gradient

    def __check_init__(self) -> None:
        if isinstance(self.gradient, Stop):
            raise ConfigError("Stop cuts every derivative, so no plan would move; give Through() or Decoupled(model).")

    def init(self, config: PlannerConfig, size: int) -> Float[Array, "T A"]:
        """The plan to stay in the middle of the bounds."""
        return jnp.zeros((config.horizon, size))

    def __call__(
        self, problem: Problem, memory: Float[Array, "T A"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "T A"], Float[Array, "T A"]]:
        """See `Search`."""
        start_key, roll_key = jax.random.split(key)
        noise = jnp.full_like(memory, problem.config.noise)
        drawn = Truncated()(start_key, self.how.restarts - 1, memory, noise)
        plans, scores = self._descend(problem, jnp.concatenate([memory[None], problem.offered, drawn]), roll_key)
        plan = plans[jnp.argmax(scores)]
        return plan, shifted(plan)

    def _descend(self, problem: Problem, starts: Plans, key: PRNGKeyArray) -> tuple[Plans, Float[Array, " R"]]:
        """The best plan of each way, and its score. All are imagined with the same randomness at every step."""
        optimiser = optax.adam(optax.cosine_decay_schedule(self.how.rate, self.how.steps))

        def loss(raw: Plans) -> tuple[Float[Array, ""], Float[Array, " R"]]:
            scores = problem.scores(jnp.tanh(raw), key, self.gradient)
            return -jnp.sum(scores), scores

        def step(held: tuple, _: None) -> tuple[tuple, None]:
            raw, moments, best = held
            (_, scores), slope = jax.value_and_grad(loss, has_aux=True)(raw)
            # One way through a wild world must not end all later steps of that way.
            update, moments = optimiser.update(jnp.where(jnp.isfinite(slope), slope, 0.0), moments)
            return (raw + update, moments, _better(best, (jnp.tanh(raw), scores))), None

        raw = jnp.arctanh(jnp.clip(starts, -INSIDE, INSIDE))
        nothing = (jnp.tanh(raw), jnp.full(len(raw), -jnp.inf))
        (raw, _, best), _ = jax.lax.scan(step, (raw, optimiser.init(raw), nothing), None, length=self.how.steps)
        return _better(best, (jnp.tanh(raw), problem.scores(jnp.tanh(raw), key)))


class ThenDescent(Search):
    """Search by sampling, which finds the right hill, then by derivatives, which climb it. The memory is the plan."""

    first: Rounds
    second: Descent

    def init(self, config: PlannerConfig, size: int) -> Float[Array, "T A"]:
        """The plan to stay in the middle of the bounds."""
        return self.first.init(config, size)

    def __call__(self, problem: Problem, memory: Any, key: PRNGKeyArray) -> tuple[Float[Array, "T A"], Any]:
        """See `Search`."""
        first_key, second_key = jax.random.split(key)
        plan, _ = self.first(problem, memory, first_key)
        return self.second(problem, plan, second_key)


def _better(
    one: tuple[Plans, Float[Array, " R"]], other: tuple[Plans, Float[Array, " R"]]
) -> tuple[Plans, Float[Array, " R"]]:
    """Of two plans on each way the one with the higher score."""
    higher = other[1] > one[1]
    return jnp.where(higher[:, None, None], other[0], one[0]), jnp.where(higher, other[1], one[1])
