"""A probabilistic ensemble of networks that predict the change of a vector observation (PETS).

Source: Chua et al. 2018, "Deep Reinforcement Learning in a Handful of Trials", arXiv 1805.12114. Each member predicts
mean and log-variance of the normalised change, the reward and the end; members differ by their initial parameters
(deep ensembles, Lakshminarayanan et al. 2017, arXiv 1612.01474). The trained loss follows the member's own predictions
over the length of the window, so windows longer than one step train for long imagination.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from diorama.core import EnvSpec, Metrics, Module, Prediction, Window, WorldModel, field, tree_at
from diorama.core.env import Observation
from diorama.models.config import EnsembleConfig
from diorama.nn import (
    MLP,
    Features,
    Layout,
    Normaliser,
    PlanarFrame,
    action_to_frame,
    from_frame,
    gaussian_negative_log_likelihood,
    normalise_heading,
    nothing,
    soft_clip,
    to_frame,
)

LOG_VARIANCE = (-10.0, 1.0)
REWARD_WEIGHT = 1.0
BETA = 0.5
END_WEIGHT = 0.1


class EnsembleBelief(Module):
    """The flat observation in physical units, and what the step that led here said."""

    vector: Float[Array, " O"]
    reward: Float[Array, ""]
    end: Float[Array, ""]
    spread: Float[Array, ""]


class Outcome(Module):
    """One member's normalised prediction: change (mean and log-variance), reward, and the logit of the end."""

    change: Float[Array, " O"]
    log_variance: Float[Array, " O"]
    reward: Float[Array, ""]
    end: Float[Array, ""]


class Ensemble(WorldModel):
    """The ensemble as a world model over all vector observations of its spec, side by side in the order of their names.

    ``step`` moves by the mean of the members' means. ``member`` and ``draw`` give a model of one member, to imagine
    under one hypothesis at a time (trajectory sampling, TS-infinity in the paper) at the cost of one network.
    """

    spec: EnvSpec = field(static=True)
    frame: PlanarFrame | None = field(static=True)
    layout: Layout
    features: Features
    action: Normaliser
    change: Normaliser
    reward: Normaliser
    networks: MLP

    @staticmethod
    def build(config: EnsembleConfig, spec: EnvSpec, seed: int) -> "Ensemble":
        """An untrained ensemble. Raises `SpecError` for observations that are not vectors of floating point."""
        layout = Layout.of(spec, owner="The ensemble")
        features = Features.build(layout, config.frame)
        sizes = (features.size + 2 * spec.action.size, *config.hidden, 2 * layout.size + 2)
        generators = np.random.default_rng(seed).spawn(config.members)
        networks = MLP.stack([MLP.build(rng, sizes, between=nothing, last_gain=0.1) for rng in generators])
        normalisers = (Normaliser.identity(n) for n in (spec.action.size, layout.size, 1))
        return Ensemble(spec, config.frame, layout, features, *normalisers, networks)

    def measured(self, windows: Window) -> "Ensemble":
        """The same model with the normalisers' statistics from windows ``[N, T, ...]`` of real interaction."""
        vectors = np.asarray(self.layout.flatten(windows.observation))
        real = np.asarray(windows.mask)
        before, after, action = vectors[:, :-1][real], vectors[:, 1:][real], np.asarray(windows.action)[real]
        change = jax.vmap(self._turn)(jnp.asarray(before), jnp.asarray(after - before))
        found = (
            self.features.measured(before),
            Normaliser.of(action),
            Normaliser.of(np.asarray(change)),
            Normaliser.of(np.asarray(windows.reward)[real][:, None]),
        )
        return tree_at(lambda m: (m.features, m.action, m.change, m.reward), self, found)

    def member(self, index: int | Int[Array, ""]) -> "Ensemble":
        """The ensemble of this one member."""
        return tree_at(lambda m: m.networks, self, jax.tree.map(lambda leaf: leaf[index][None], self.networks))

    def draw(self, key: PRNGKeyArray) -> "Ensemble":
        """The ensemble of one member, drawn uniformly."""
        return self.member(jax.random.randint(key, (), 0, self.members))

    @property
    def members(self) -> int:
        """The number of members."""
        return self.networks.layers[0].bias.shape[0]

    def start(self, observation: Observation, key: PRNGKeyArray) -> EnsembleBelief:
        """The observation itself; no reward, end or spread yet."""
        zero = jnp.zeros(())
        return EnsembleBelief(self.layout.flatten(observation), zero, zero, zero)

    def step(self, belief: EnsembleBelief, action: Float[Array, " A"], key: PRNGKeyArray) -> EnsembleBelief:
        """Move by the mean of the members' predicted changes."""
        outcomes = self._outcomes(belief.vector, action)
        mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), outcomes)
        reward = self.reward.invert(mean.reward[None])[0]
        spread = jnp.mean(jnp.std(outcomes.change, axis=0) * self._relative_scale())
        return EnsembleBelief(self._move(belief.vector, mean.change), reward, jax.nn.sigmoid(mean.end), spread)

    def update(
        self, belief: EnsembleBelief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray
    ) -> EnsembleBelief:
        """What was seen replaces the prediction; reward, end and spread stay those of the step."""
        following = self.step(belief, action, key)
        return tree_at(lambda b: b.vector, following, self.layout.flatten(observation))

    def infer(self, window: Window, key: PRNGKeyArray) -> EnsembleBelief:
        """The last observation of the window."""
        return self.start({name: value[-1] for name, value in window.observation.items()}, key)

    def read(self, belief: EnsembleBelief) -> Prediction:
        """The observation, and the reward, the end and the spread of the step that led here."""
        return Prediction(self.layout.split(belief.vector), belief.reward, belief.end, belief.spread)

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """Mean over members of likelihood + reward error + end cross-entropy, along each member's own predictions."""
        seen = self.layout.flatten(window.observation)
        inputs = (seen[1:], window.action, window.reward, window.end, window.mask)

        def along(network: MLP) -> dict[str, Float[Array, ""]]:
            _, terms = jax.lax.scan(lambda v, x: self._loss_step(network, v, x), seen[0], inputs)
            return {name: jnp.sum(t * window.mask) / jnp.maximum(window.mask.sum(), 1) for name, t in terms.items()}

        metrics = {name: jnp.mean(values) for name, values in jax.vmap(along)(self.networks).items()}
        total = metrics["likelihood"] + REWARD_WEIGHT * metrics["reward"] + END_WEIGHT * metrics["end"]
        return total, metrics

    def _loss_step(self, network: MLP, vector: Float[Array, " O"], given: tuple) -> tuple[Array, dict[str, Array]]:
        after, action, reward, end, mask = given
        said = self._outcome(network, vector, action)
        target = self.change(self._turn(vector, after - vector))
        terms = {
            "likelihood": jnp.mean(_weighted_likelihood(said.change, said.log_variance, target)),
            "squared_error": jnp.mean((said.change - target) ** 2),
            "reward": 0.5 * (said.reward - self.reward(reward[None])[0]) ** 2,
            "end": jax.nn.softplus(said.end) - said.end * end,
        }
        following = jnp.where(mask, self._move(vector, said.change), vector)
        return following, terms

    def _outcomes(self, vector: Float[Array, " O"], action: Float[Array, " A"]) -> Outcome:
        return jax.vmap(lambda network: self._outcome(network, vector, action))(self.networks)

    def _outcome(self, network: MLP, vector: Float[Array, " O"], action: Float[Array, " A"]) -> Outcome:
        seen = action if self.frame is None else action_to_frame(self.frame, vector, action)
        inputs = [self.features.of_vector(vector), self.action(action), self.action(seen)]
        change, log_variance, heads = jnp.split(
            network(jnp.concatenate(inputs)), [self.layout.size, 2 * self.layout.size]
        )
        return Outcome(change, soft_clip(log_variance, *LOG_VARIANCE), heads[0], heads[1])

    def _turn(self, vector: Float[Array, " O"], change: Float[Array, " O"]) -> Float[Array, " O"]:
        return change if self.frame is None else to_frame(self.frame, vector, change)

    def _move(self, vector: Float[Array, " O"], change: Float[Array, " O"]) -> Float[Array, " O"]:
        change = self.change.invert(change)
        if self.frame is None:
            return vector + change
        return normalise_heading(self.frame, vector + from_frame(self.frame, vector, change))

    def _relative_scale(self) -> Float[Array, " O"]:
        """One normalised change in units of the normalised observation."""
        return self.change.std / self.features.normaliser.std[: self.layout.size]


def _weighted_likelihood(mean: Array, log_variance: Array, target: Array) -> Array:
    """The Gaussian likelihood times the detached standard deviation to the power 2 beta (beta-NLL, arXiv 2203.09168).

    The plain likelihood gives up on the rare, hard transitions (contact) by calling them noise.
    """
    weight = jax.lax.stop_gradient(jnp.exp(BETA * log_variance))
    return weight * gaussian_negative_log_likelihood(mean, log_variance, target)
