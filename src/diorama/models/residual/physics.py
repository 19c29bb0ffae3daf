"""What a residual model adds to: a physics that says what will be seen next."""

import abc
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, Module, field
from diorama.core.env import Observation, State


class Physics(Module):
    """One step of a known law on what is seen. A batch is ``jax.vmap`` at the call."""

    @abc.abstractmethod
    def ahead(
        self, observation: Observation, action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[Observation, Float[Array, ""]]:
        """The observation one control period later, and the reward of the step."""


class Still(Physics):
    """Nothing changes and nothing is rewarded."""

    def ahead(
        self, observation: Observation, action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[Observation, Float[Array, ""]]:
        """The observation again."""
        return observation, jnp.zeros(())


class Simulated(Physics):
    """An `Env` and how to come from an observation to its state: ``invert(env, observation)``.

    What the observation does not show (contacts, delays, factors of variation) is what ``invert`` says it is, anew at
    every step. No derivative reaches the env's parameters: calibration fits them, training does not. Give an env with
    vectors and numbers for parameters; weight decay would shrink matrices.
    """

    env: Env
    invert: Callable[[Env, Observation], State] = field(static=True)

    def ahead(
        self, observation: Observation, action: Float[Array, " A"], key: PRNGKeyArray
    ) -> tuple[Observation, Float[Array, ""]]:
        """What the env shows one step after the state that the observation shows."""
        env = jax.lax.stop_gradient(self.env)
        state = self.invert(env, observation)
        following = env.step(state, action, key)
        return env.observe(following), env.reward(state, action, following)
