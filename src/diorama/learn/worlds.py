"""Which world each update imagines in."""

import abc
from collections.abc import Callable

from jaxtyping import PRNGKeyArray

from diorama.core import Env, Module, WorldModel, tree_at
from diorama.imagine import Imagined


class Worlds(Module):
    """A distribution over worlds; each update draws one."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray) -> Env:
        """The world of this update."""


class Fixed(Worlds):
    """Always the same world."""

    env: Env

    def draw(self, key: PRNGKeyArray) -> Env:
        """The world."""
        return self.env


class Hypotheses(Worlds):
    """An imagined world under one hypothesis of its model at a time (TS-infinity of PETS, arXiv 1805.12114).

    ``narrow(model, key)`` gives the model of one hypothesis: ``Ensemble.draw``.
    """

    env: Imagined
    narrow: Callable[[WorldModel, PRNGKeyArray], WorldModel]

    def draw(self, key: PRNGKeyArray) -> Env:
        """The world with one member of its model."""
        return tree_at(lambda env: env.model, self.env, self.narrow(self.env.model, key))
