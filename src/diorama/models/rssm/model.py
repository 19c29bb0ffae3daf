"""The recurrent state-space model of DreamerV3 as a `WorldModel`.

Source: Hafner et al. 2025, "Mastering diverse control tasks through world models" (arXiv 2301.04104), equations 3 to 6.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Metrics, Prediction, Window, WorldModel, field, tree_at
from diorama.core.env import Observation
from diorama.models.rssm.config import RSSMConfig
from diorama.models.rssm.core import Core, Latent
from diorama.models.rssm.decoder import Decoder
from diorama.models.rssm.encoder import Encoder
from diorama.models.rssm.heads import Heads
from diorama.models.rssm.senses import Vectors
from diorama.nn import Normaliser
from diorama.nn.choice import choice


class RSSM(WorldModel):
    """A latent world model over any mix of vectors and pictures (bytes ``[H, W, C]``).

    A belief is a `Latent`. ``step`` samples, and is differentiable in action and belief (straight-through).
    """

    spec: EnvSpec = field(static=True)
    config: RSSMConfig = field(static=True)
    vectors: Vectors | None
    action: Normaliser
    encoder: Encoder
    core: Core
    decoder: Decoder
    heads: Heads

    @staticmethod
    def build(config: RSSMConfig, spec: EnvSpec, seed: int) -> "RSSM":
        """An untrained model. Raises `SpecError` for observations that are neither floating point nor pictures."""
        rng = np.random.default_rng(seed)
        vectors = Vectors.of(spec)
        encoder = Encoder.build(rng, config, spec, vectors)
        core = Core.build(rng, config, spec.action.size, encoder.size(config))
        decoder = Decoder.build(rng, config, spec, vectors)
        return RSSM(spec, config, vectors, _bounds(spec), encoder, core, decoder, Heads.build(rng, config))

    def measured(self, windows: Window) -> "RSSM":
        """The same model with statistics of windows ``[N, T, ...]``: of the vectors, and of actions without bounds."""
        real = np.asarray(windows.mask)
        vectors, action = self.vectors, self.action
        if vectors is not None:
            before = {name: np.asarray(windows.observation[name])[:, :-1] for name in vectors.layout.names}
            vectors = vectors.measured(before, real)
        if not (self.spec.action.bounded or self.config.discrete):
            found = Normaliser.of(np.asarray(windows.action)[real])
            # The core cuts actions at 1; three standard deviations leave room for rare ones.
            action = Normaliser(found.mean, 3 * found.std)
        return tree_at(lambda m: (m.vectors, m.action), self, (vectors, action), is_leaf=lambda leaf: leaf is None)

    def start(self, observation: Observation, key: PRNGKeyArray) -> Latent:
        """The posterior after a first observation, from an empty belief and no action."""
        still, noise = jnp.zeros(self.spec.action.size), self.core.noise(key)
        return self.core.observe(self.core.empty(), still, self._look(observation), noise)

    def step(self, belief: Latent, action: Float[Array, " A"], key: PRNGKeyArray) -> Latent:
        """A sample of the prior one step later."""
        return self.core.imagine(belief, self._done(action), self.core.noise(key))

    def update(self, belief: Latent, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray) -> Latent:
        """A sample of the posterior one step later."""
        return self.core.observe(belief, self._done(action), self._look(observation), self.core.noise(key))

    def infer(self, window: Window, key: PRNGKeyArray) -> Latent:
        """A sample of the posterior at the last real observation of the window."""
        latents = self._filtered(window, key)
        return jax.tree.map(lambda leaf: leaf[jnp.sum(window.mask)], latents)

    def read(self, belief: Latent) -> Prediction:
        """What the latent state shows. The spread is 0: one network has no epistemic spread (see `entropy`)."""
        features = belief.features
        shown = self.decoder.observation(self.vectors, features)
        return Prediction(shown, self.heads.reward(features), self.heads.end(features), jnp.zeros(()))

    def entropy(self, belief: Latent) -> Float[Array, ""]:
        """The entropy of the belief's variables [nat]: chance in the world and ignorance of it, together."""
        return belief.variables.entropy()

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """Reconstruction + reward + end + the two divergences, means over the real steps.

        Only the recurrence is scanned; observations are encoded and decoded for all times at once.
        """
        latents = self._filtered(window, key)
        seen = {name: window.observation[name] for name in self.spec.observation}
        features = jax.vmap(lambda latent: latent.features)(latents)
        # The first observation counts as real where the step from it is; nothing ended there.
        real = jnp.concatenate([window.mask[:1], window.mask]).astype(jnp.float32)
        ended = jnp.concatenate([jnp.zeros(1, bool), window.end])
        errors = jax.vmap(lambda f, o: self.decoder.error(self.vectors, f, o))(features, seen)
        terms = {f"error_{name}": _mean(error, real) for name, error in errors.items()}
        terms["reward"] = _mean(jax.vmap(self.heads.reward_error)(features[1:], window.reward), real[1:])
        terms["end"] = _mean(jax.vmap(self.heads.end_error)(features, ended), real)
        divergences = {name: _mean(value, real) for name, value in jax.vmap(self._divergences)(latents).items()}
        config = self.config
        total = sum(terms.values()) + config.dynamics * divergences["dynamics"]
        total = total + config.representation * divergences["representation"]
        return total, terms | divergences

    def _divergences(self, latent: Latent) -> dict[str, Array]:
        """The divergence with either side held still, and the entropies, of one time."""
        posterior, prior = latent.variables, self.core.prior(latent.state)
        free = self.config.free_nats
        return {
            "dynamics": jnp.maximum(prior.divergence_from(posterior.detached()), free),
            "representation": jnp.maximum(prior.detached().divergence_from(posterior), free),
            "entropy_prior": prior.entropy(),
            "entropy_posterior": posterior.entropy(),
        }

    def _filtered(self, window: Window, key: PRNGKeyArray) -> Latent:
        """The posterior at each of the T + 1 observations, ``[T + 1, ...]``."""
        seen = {name: window.observation[name] for name in self.spec.observation}
        looks = jax.vmap(self._look)(seen)
        actions = jnp.concatenate([jnp.zeros((1, self.spec.action.size)), jax.vmap(self._done)(window.action)])
        noise = jax.vmap(self.core.noise)(jax.random.split(key, len(actions)))

        def body(latent: Latent, given: tuple) -> tuple[Latent, Latent]:
            following = self.core.observe(latent, *given)
            return following, following

        return jax.lax.scan(body, self.core.empty(), (actions, looks, noise))[1]

    def _done(self, action: Float[Array, " A"]) -> Float[Array, " A"]:
        """What an action does, about within -1 .. 1: of scores for choices, the choice."""
        return choice(action) if self.config.discrete else self.action(action)

    def _look(self, observation: Observation) -> Float[Array, " n"]:
        return self.core.look(self.encoder(self.vectors, observation))


def _bounds(spec: EnvSpec) -> Normaliser:
    """Bounded actions to -1 .. 1, others as they are."""
    if not spec.action.bounded:
        return Normaliser.identity(spec.action.size)
    low, high = (bound.reshape(-1) for bound in spec.action.bounds())
    half = np.where(high > low, 0.5 * (high - low), 1.0)
    return Normaliser(jnp.asarray(0.5 * (low + high), jnp.float32), jnp.asarray(half, jnp.float32))


def _mean(values: Array, real: Array) -> Array:
    return jnp.sum(values * real) / jnp.maximum(jnp.sum(real), 1.0)
