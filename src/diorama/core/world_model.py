"""`WorldModel`: learned dynamics. ``diorama.imagine.as_env`` hands it out as an `Env`."""

import abc
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core.env import Observation
from diorama.core.module import AbstractVar, Module
from diorama.core.spec import EnvSpec
from diorama.core.trajectory import Window

Belief = Any
Metrics = dict[str, Float[Array, ""]]


class Prediction(Module):
    """What a belief says.

    The observation, the reward of the step that led here, the probability that the world ended with that step, and the
    spread (epistemic, in units of the normalised observation; 0 where a model has none).
    """

    observation: Observation
    reward: Float[Array, ""]
    end: Float[Array, ""]
    spread: Float[Array, ""]


class WorldModel(Module):
    """Learned dynamics of one world; a batch is ``jax.vmap`` at the call.

    Observations and actions are in physical units, as in ``spec``; the normaliser is part of the model.
    """

    spec: AbstractVar[EnvSpec]
    """Declared by final classes as ``spec: EnvSpec = field(static=True)``: it is structure, not data."""

    @abc.abstractmethod
    def start(self, observation: Observation, key: PRNGKeyArray) -> Belief:
        """The belief after a first observation."""

    @abc.abstractmethod
    def step(self, belief: Belief, action: Float[Array, " A"], key: PRNGKeyArray) -> Belief:
        """Imagine one step: the belief one control period later, seen from here."""

    @abc.abstractmethod
    def update(self, belief: Belief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray) -> Belief:
        """Filter one step: the belief after ``action`` was done and ``observation`` was seen."""

    @abc.abstractmethod
    def infer(self, window: Window, key: PRNGKeyArray) -> Belief:
        """The belief at the last observation of a window of real interaction."""

    @abc.abstractmethod
    def read(self, belief: Belief) -> Prediction:
        """What the belief says about observation, reward and end."""

    @abc.abstractmethod
    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The training loss on one window, and what to log."""
