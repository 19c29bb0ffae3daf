"""The counter: the world in which any shift of time shows."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, ScenarioSpace, field
from diorama.core.env import Observation, Scenario

_SPEC = EnvSpec(
    "counter",
    {"state": ArraySpec((1,), names=("count",))},
    ArraySpec((1,), low=-1.0, high=1.0, names=("ignored",)),
    control_period=1.0,
    scenario=ScenarioSpace({"limit": Factor(1000.0, 1.0, 1e6, doc="the world ends when the count reaches it")}),
)


class Counter(Env):
    """Counts its steps: observation ``t`` is ``t``, the reward of step ``t`` is ``t``, and it ends at ``limit``.

    The state is ``[count, limit]``.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> Float[Array, " 2"]:
        """Zero."""
        return jnp.stack([jnp.zeros_like(jnp.asarray(scenario["limit"])), jnp.asarray(scenario["limit"])])

    def step(self, state: Float[Array, " 2"], action: Float[Array, " A"], key: PRNGKeyArray) -> Float[Array, " 2"]:
        """One more. The action has no effect."""
        return state.at[0].add(1.0)

    def observe(self, state: Float[Array, " 2"]) -> Observation:
        """The count."""
        return {"state": state[:1]}

    def reward(
        self, state: Float[Array, " 2"], action: Float[Array, " A"], next_state: Float[Array, " 2"]
    ) -> Float[Array, ""]:
        """The count before the step."""
        return state[0]

    def terminal(self, state: Float[Array, " 2"]) -> Bool[Array, ""]:
        """Whether the limit is reached."""
        return state[0] >= state[1]
