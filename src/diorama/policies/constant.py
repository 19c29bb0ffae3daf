"""The same action always: for tests, and as the floor of a comparison."""

from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Policy
from diorama.core.env import Observation


class Constant(Policy):
    """Repeats one action, in the units of the spec."""

    action: Float[Array, " A"]

    def init(self, spec: EnvSpec) -> None:
        """No memory."""
        return None

    def act(self, memory: None, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], None]:
        """The constant."""
        return self.action, None
