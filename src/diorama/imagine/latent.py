"""A world shown in pictures as a world of latent vectors: values of a global model, derivatives of a local one.

Source: arXiv 2602.06219. A diffusion model that draws pictures is rolled out and never differentiated. At every step a
light latent model re-encodes the picture, without derivative, and its own one-step prediction supplies the Jacobian.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Module, SpecError, Window, WorldModel, field
from diorama.core.env import Observation, Scenario, State
from diorama.core.world_model import Belief
from diorama.imagine.gradient import kept, swap
from diorama.imagine.world import Imagined

LATENT = "latent"
"""The name of the one observation."""
View = Callable[[Belief], Float[Array, " n"]]
"""What of a belief a policy sees."""


def features_of(belief: Belief) -> Float[Array, " n"]:
    """The belief's own ``features``: those of an RSSM."""
    return belief.features


class LatentState(Module):
    """Where the global world stands, and what the local model believes of it."""

    world: State
    belief: Belief


class Latent(Env):
    """What a local model believes while a global world shows it pictures.

    The observation ``latent`` is the ``view`` of the belief. Its values are those of the encoded picture, its
    derivatives those of the local model's step along the same path; the reward is the global world's with the
    derivative of the local model's head. ``Through()`` this world therefore is the decoupled gradient with a policy
    that sees latents. ``windows``: stretches of real interaction ``[N, T, ...]``, at whose last observation the worlds
    begin; None begins from single observations.
    """

    spec: EnvSpec = field(static=True)
    world: Env
    local: WorldModel
    windows: Window | None
    view: View = field(static=True)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> LatentState:
        """The global world's start and the belief about it, or both at the end of one of the windows, uniformly."""
        draw_key, world_key, local_key = jax.random.split(key, 3)
        if self.windows is None:
            state = self.world.reset(scenario, world_key)
            return LatentState(state, self.local.start(self.world.observe(state), local_key))
        index = jax.random.randint(draw_key, (), 0, self.windows.reward.shape[0])
        window = jax.tree.map(lambda leaf: leaf[index], self.windows)
        return LatentState(self.world.model.infer(window, world_key), self.local.infer(window, local_key))

    def step(self, state: LatentState, action: Float[Array, " A"], key: PRNGKeyArray) -> LatentState:
        """One step of the global world, and the belief after it was seen."""
        world_key, local_key = jax.random.split(key)
        before, done = jax.lax.stop_gradient((state, action))
        world = jax.lax.stop_gradient(self.world.step(before.world, done, world_key))
        encoded = self.local.update(before.belief, done, self.world.observe(world), local_key)
        encoded = kept(jax.lax.stop_gradient(encoded))
        return LatentState(world, swap(encoded, self.local.step(state.belief, action, local_key)))

    def observe(self, state: LatentState) -> Observation:
        """The view of the belief."""
        return {LATENT: self.view(state.belief)}

    def reward(self, state: LatentState, action: Float[Array, " A"], next_state: LatentState) -> Float[Array, ""]:
        """The global world's reward, with the derivative of the local model's."""
        real = self.world.reward(*jax.lax.stop_gradient((state.world, action, next_state.world)))
        return swap(jax.lax.stop_gradient(real), self.local.read(next_state.belief).reward)

    def terminal(self, state: LatentState) -> Bool[Array, ""]:
        """Whether the global world ends."""
        return self.world.terminal(state.world)


def as_latent(world: Env, local: WorldModel, windows: Window | None = None, *, view: View = features_of) -> Latent:
    """A global world as the latent world of a local model; see `Latent`.

    Raises `SpecError` where the local model needs what the global world does not show, and for windows with a global
    world that is not imagined by a model, which alone can be brought to the end of one.
    """
    if missing := sorted(set(local.spec.observation) - set(world.spec.observation)):
        raise SpecError(
            f"The local model needs the observations {missing}, which {world.spec.name!r} does not show; "
            "fit both to the same observations."
        )
    if windows is not None and not isinstance(world, Imagined):
        raise SpecError(f"{world.spec.name!r} cannot begin at the end of a window; leave the windows out.")
    return Latent(latent_spec(local, view), world, local, windows, view)


def latent_spec(local: WorldModel, view: View = features_of) -> EnvSpec:
    """The spec of a latent world: one vector of the view's length, and the local model's action."""
    spec = local.spec
    blank = {name: jnp.zeros(array.shape, array.dtype) for name, array in spec.observation.items()}
    shape = jax.eval_shape(lambda key: view(local.start(blank, key)), jax.random.key(0)).shape
    return EnvSpec(f"latent {spec.name}", {LATENT: ArraySpec(shape)}, spec.action, spec.control_period)
