"""A policy that sees through a world model: it filters what it observes into a belief, and acts on that."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import EnvSpec, Module, Policy, WorldModel, field, tree_at
from diorama.core.env import Observation
from diorama.core.world_model import Belief
from diorama.imagine.latent import LATENT, View, features_of
from diorama.policies.actor import Actor, Choice


class Filtered(Module):
    """What the policy remembers: its belief, what it did last, and whether the episode has begun."""

    belief: Belief
    action: Float[Array, " A"]
    begun: Bool[Array, ""]


class LatentPolicy(Policy):
    """An actor on the belief of a world model, as it was trained in `diorama.imagine.latent.Latent`.

    The model needs its own observations only, such as pictures; further ones do not disturb. ``view``: what of the
    belief the actor sees.
    """

    model: WorldModel
    actor: Actor
    view: View = field(static=True, default=features_of)

    def init(self, spec: EnvSpec) -> Filtered:
        """Nothing was seen yet."""
        spec = self.model.spec
        blank = {name: jnp.zeros(array.shape, array.dtype) for name, array in spec.observation.items()}
        belief = jax.eval_shape(self.model.start, blank, jax.random.key(0))
        belief = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), belief)
        return Filtered(belief, jnp.zeros(spec.action.shape), jnp.zeros((), bool))

    def act(self, memory: Filtered, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Filtered]:
        """Take the observation in, and act on the belief after it."""
        look_key, act_key = jax.random.split(key)
        seen = {name: observation[name] for name in self.model.spec.observation}
        first = self.model.start(seen, look_key)
        later = self.model.update(memory.belief, memory.action, seen, look_key)
        belief = jax.tree.map(lambda new, old: jnp.where(memory.begun, new, old), later, first)
        action, _ = self.actor.act(None, {LATENT: self.view(belief)}, act_key)
        return action, Filtered(belief, action, jnp.ones((), bool))

    def choosing(self, choose: Choice) -> "LatentPolicy":
        """The same policy with another way to take its action; see `Actor.choosing`."""
        return tree_at(lambda policy: policy.actor, self, self.actor.choosing(choose))
