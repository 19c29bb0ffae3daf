"""A world model that draws the next observation by denoising it under the last K observations and actions.

Source: EDM (Karras et al. 2022, arXiv 2206.00364) as a world model in the manner of DIAMOND (Alonso et al. 2024, arXiv
2405.12399). Each step is one draw: where the future has several outcomes, it shows one of them and not their mean.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Metrics, Module, Prediction, Window, WorldModel, field, tree_at
from diorama.core.env import Observation
from diorama.models.diffusion.building import build_parts
from diorama.models.diffusion.config import DiffusionConfig
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.models.diffusion.heads import Heads
from diorama.models.diffusion.preconditioning import Network, NoiseLevels, Preconditioning
from diorama.models.diffusion.samplers import Sampler
from diorama.models.diffusion.target import Target
from diorama.nn import Normaliser
from diorama.nn.choice import choice
from diorama.nn.product import rounded

REWARD_WEIGHT = 1.0
END_WEIGHT = 0.1


class DiffusionBelief(Module):
    """The last K flat observations and the K - 1 actions between them, and what the step that led here said.

    ``known``: 1 where an observation was made, 0 where the first one stands in for what was before it.
    """

    observations: Float[Array, "K ..."]
    actions: Float[Array, "K_less_1 A"]
    known: Float[Array, " K"]
    reward: Float[Array, ""]
    end: Float[Array, ""]


class Diffusion(WorldModel):
    """The model over all vectors, or over all pictures, of its spec. It has no spread: many draws show one."""

    spec: EnvSpec = field(static=True)
    length: int = field(static=True)
    context_noise: float = field(static=True)
    discrete: bool = field(static=True)
    levels: NoiseLevels
    preconditioning: Preconditioning
    sampler: Sampler
    target: Target
    reward: Normaliser
    denoiser: Denoiser
    heads: Heads

    @staticmethod
    def build(config: DiffusionConfig, spec: EnvSpec, seed: int) -> "Diffusion":
        """An untrained model. Raises `SpecError` where the observations are neither all vectors nor all pictures."""
        target, preconditioning, sampler, denoiser, heads = build_parts(config, spec, np.random.default_rng(seed))
        return Diffusion(
            spec,
            config.context,
            config.context_noise,
            config.discrete,
            NoiseLevels(config.noise_mean),
            preconditioning,
            sampler,
            target,
            Normaliser.identity(1),
            denoiser,
            heads,
        )

    def measured(self, windows: Window) -> "Diffusion":
        """The same model with the normalisers' statistics from windows ``[N, T, ...]`` of real interaction."""
        reward = Normaliser.of(np.asarray(windows.reward)[np.asarray(windows.mask)][:, None], still=0.0)
        done = dataclasses.replace(windows, action=self._done(jnp.asarray(windows.action)))
        return tree_at(lambda m: (m.target, m.reward), self, (self.target.measured(done), reward))

    def sampling(self, sampler: Sampler) -> "Diffusion":
        """The same model with another sampler."""
        return dataclasses.replace(self, sampler=sampler)

    def rounded(self) -> "Diffusion":
        """The same model for imagining only, with its denoiser's weights in bfloat16 (see `diorama.nn.product`)."""
        return dataclasses.replace(self, denoiser=rounded(self.denoiser))

    def start(self, observation: Observation, key: PRNGKeyArray) -> DiffusionBelief:
        """The first observation, also in place of what was before it; no reward or end yet."""
        flat = self.target.flatten(observation)
        known = (jnp.arange(self.length) == self.length - 1).astype(jnp.float32)
        actions = jnp.zeros((self.length - 1, self.spec.action.size))
        return DiffusionBelief(jnp.stack([flat] * self.length), actions, known, jnp.zeros(()), jnp.zeros(()))

    def step(self, belief: DiffusionBelief, action: Float[Array, " A"], key: PRNGKeyArray) -> DiffusionBelief:
        """Draw the next observation."""
        context = self._context(belief, action)
        value = self.draw(context, key)
        return self._moved(belief, context, action, self.target.decode(belief.observations[-1], value))

    def update(
        self, belief: DiffusionBelief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray
    ) -> DiffusionBelief:
        """What was seen is the next observation; reward and end are the heads' about it."""
        return self._moved(belief, self._context(belief, action), action, self.target.flatten(observation))

    def infer(self, window: Window, key: PRNGKeyArray) -> DiffusionBelief:
        """The last K observations that happened; no reward or end yet."""
        flats = self.target.flatten(window.observation)
        rows = jnp.sum(window.mask) - jnp.arange(self.length)[::-1]
        observations, known = flats[jnp.maximum(rows, 0)], (rows >= 0).astype(jnp.float32)
        actions = window.action[jnp.maximum(rows[:-1], 0)] * known[:-1].reshape(-1, 1)
        return DiffusionBelief(observations, actions, known, jnp.zeros(()), jnp.zeros(()))

    def read(self, belief: DiffusionBelief) -> Prediction:
        """The newest observation, and the reward and the end of the step that led here; the spread is 0."""
        observation = self.target.split(belief.observations[-1])
        return Prediction(observation, belief.reward, belief.end, jnp.zeros(()))

    def draw(self, context: Context, key: PRNGKeyArray) -> Float[Array, "..."]:
        """One value of the target, drawn under a context."""
        network = self._network(context)

        def denoise(noisy: Float[Array, "..."], sigma: Float[Array, ""]) -> Float[Array, "..."]:
            return self.target.clean(self.preconditioning.denoised(network, noisy, sigma))

        return self.sampler(denoise, jax.random.normal(key, self.target.shape))

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The mean over real steps of denoising error + reward error + 0.1 cross-entropy of the end (+ reconstruction).

        Every step of the window is predicted from what the window shows before it; where that is fewer than K
        observations, the rest is unknown, as after `start`.
        """
        seen = self.target.flatten(window.observation)
        rows = np.arange(window.length)[:, None] - np.arange(self.length)[::-1]
        known, rows = (rows >= 0).astype(np.float32), np.maximum(rows, 0)
        keys = jax.random.split(key, window.length)
        given = (
            seen[rows],
            self._done(window.action)[rows],
            jnp.asarray(known),
            seen[1:],
            window.reward,
            window.end,
            keys,
        )
        following = {name: values[1:] for name, values in window.observation.items()}
        # Another key than that of the same step's noise levels.
        learned = jax.vmap(self.target.terms)(following, jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys))
        terms = jax.vmap(self._loss_step)(*given) | learned
        count = jnp.maximum(window.mask.sum(), 1)
        metrics = {name: jnp.sum(values * window.mask) / count for name, values in terms.items()}
        total = metrics["denoising"] + REWARD_WEIGHT * metrics["reward"] + END_WEIGHT * metrics["end"]
        return total + sum(metrics[name] for name in learned), metrics

    def _loss_step(
        self, flats: Array, actions: Array, known: Array, following: Array, reward: Array, end: Array, key: PRNGKeyArray
    ) -> dict[str, Array]:
        context_key, key = jax.random.split(key)
        said, end_logit = self._said(self.target.context(flats, actions, known), following)
        if self.context_noise:
            flats = self.target.perturbed(flats, self.context_noise, context_key)
        return {
            "denoising": self._denoising(flats, actions, known, following, key),
            "reward": 0.5 * (said - self.reward(reward[None])[0]) ** 2,
            "end": jax.nn.softplus(end_logit) - end_logit * end,
        }

    def _denoising(self, flats: Array, actions: Array, known: Array, following: Array, key: PRNGKeyArray) -> Array:
        level_key, noise_key, offset_key = jax.random.split(key, 3)
        value = self.target.encode(flats[-1], following)
        sigma = self.levels.sample(level_key)
        offset = self.preconditioning.offset * self.target.offset(offset_key)
        noisy = value + sigma * jax.random.normal(noise_key, value.shape) + offset
        context = self.target.context(flats, actions, known)
        return self.preconditioning.error(self._network(context), value, noisy, sigma)

    def _network(self, context: Context) -> Network:
        read = self.denoiser.read(context)
        return lambda noisy, noise: self.denoiser(noisy, noise, read)

    def _context(self, belief: DiffusionBelief, action: Float[Array, " A"]) -> Context:
        actions = jnp.concatenate([belief.actions, action[None]])
        return self.target.context(belief.observations, self._done(actions), belief.known)

    def _done(self, actions: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """What actions do: of scores for choices, the choice."""
        return choice(actions) if self.discrete else actions

    def _said(self, context: Context, following: Float[Array, "..."]) -> tuple[Array, Array]:
        return self.heads(context.now, self.target.view(following), context.actions[-1])

    def _moved(
        self, belief: DiffusionBelief, context: Context, action: Float[Array, " A"], following: Float[Array, "..."]
    ) -> DiffusionBelief:
        """The belief one step later, at the flat observation ``following``."""
        said, end = self._said(context, following)
        return DiffusionBelief(
            jnp.concatenate([belief.observations[1:], following[None]]),
            jnp.concatenate([belief.actions, action[None]])[1:],
            jnp.concatenate([belief.known[1:], jnp.ones(1)]),
            self.reward.invert(said[None])[0],
            jax.nn.sigmoid(end),
        )
