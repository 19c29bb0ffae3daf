"""`Trajectory` and `Window` fix time for everybody.

``observation[t], action[t] -> reward[t], observation[t + 1]``; there are T actions and T + 1 observations.
``end[t]`` says that the world ended with step t (never that time ran out). ``mask[t]`` says that step t happened;
after the end it is False, ``reward`` is 0 there and the observation repeats. No NaN stands for anything.
"""

from typing import Any

from jaxtyping import Bool, Float, Shaped

from diorama.core.module import Module

Array = Any


class Trajectory(Module):
    """What happened in one world (or in many: leading batch axes are allowed everywhere).

    ``observation`` maps names to arrays ``[..., T + 1, *shape]``; ``action`` is ``[..., T, A]`` in the units of its
    spec; ``scenario`` is the record of the factors of variation in force; ``[..., *factor shape]``.
    """

    observation: dict[str, Shaped[Array, "..."]]
    action: Float[Array, "*B T A"]
    reward: Float[Array, "*B T"]
    end: Bool[Array, "*B T"]
    mask: Bool[Array, "*B T"]
    scenario: dict[str, Shaped[Array, "..."]]

    @property
    def length(self) -> int:
        """Number of steps T."""
        return self.reward.shape[-1]


class Window(Module):
    """A stretch of recorded interaction, never across an episode's end, aligned as in `Trajectory`.

    Where an episode is too short for the window, ``mask`` is False and values repeat the last real ones
    (rewards are 0). ``mask[t]`` False means: do not learn from step t.
    """

    observation: dict[str, Shaped[Array, "..."]]
    action: Float[Array, "*B T A"]
    reward: Float[Array, "*B T"]
    end: Bool[Array, "*B T"]
    mask: Bool[Array, "*B T"]

    @property
    def length(self) -> int:
        """Number of steps T."""
        return self.reward.shape[-1]
