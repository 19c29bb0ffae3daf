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

from diorama.core import EnvSpec, Metrics, Prediction, Window, WorldModel, field, tree_at
from diorama.core.env import Observation
from diorama.models.config import EnsembleConfig
from diorama.models.members import Said, VectorBelief, alone, count, loss_along, moved, stacked, turned
from diorama.nn import MLP, Features, Layout, Normaliser, PlanarFrame, action_to_frame


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
        inputs = features.size + 2 * spec.action.size
        networks = stacked(config.members, inputs, config.hidden, layout.size, seed)
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
            Normaliser.of(np.asarray(change), still=0.0),
            Normaliser.of(np.asarray(windows.reward)[real][:, None], still=0.0),
        )
        return tree_at(lambda m: (m.features, m.action, m.change, m.reward), self, found)

    def member(self, index: int | Int[Array, ""]) -> "Ensemble":
        """The ensemble of this one member."""
        return tree_at(lambda m: m.networks, self, alone(self.networks, index))

    def draw(self, key: PRNGKeyArray) -> "Ensemble":
        """The ensemble of one member, drawn uniformly."""
        return self.member(jax.random.randint(key, (), 0, self.members))

    @property
    def members(self) -> int:
        """The number of members."""
        return count(self.networks)

    def start(self, observation: Observation, key: PRNGKeyArray) -> VectorBelief:
        """The observation itself; no reward, end or spread yet."""
        return VectorBelief.of(self.layout, observation)

    def step(self, belief: VectorBelief, action: Float[Array, " A"], key: PRNGKeyArray) -> VectorBelief:
        """Move by the mean of the members' predicted changes."""
        outcomes = self._outcomes(belief.vector, action)
        mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), outcomes)
        reward = self.reward.invert(mean.reward[None])[0]
        spread = jnp.mean(jnp.std(outcomes.change, axis=0) * self._relative_scale())
        return VectorBelief(self._move(belief.vector, mean.change), reward, jax.nn.sigmoid(mean.end), spread)

    def update(
        self, belief: VectorBelief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray
    ) -> VectorBelief:
        """What was seen replaces the prediction; reward, end and spread stay those of the step."""
        return self.step(belief, action, key).seen(self.layout, observation)

    def infer(self, window: Window, key: PRNGKeyArray) -> VectorBelief:
        """The last observation of the window."""
        return self.start({name: value[-1] for name, value in window.observation.items()}, key)

    def read(self, belief: VectorBelief) -> Prediction:
        """The observation, and the reward, the end and the spread of the step that led here."""
        return belief.read(self.layout)

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """Mean over members of likelihood + reward error + end cross-entropy, along each member's own predictions."""
        seen = self.layout.flatten(window.observation)
        inputs = (seen[1:], window.action, window.reward, window.end, window.mask)
        return loss_along(self.networks, self._loss_step, seen[0], inputs, window.mask)

    def _loss_step(self, network: MLP, vector: Float[Array, " O"], given: tuple) -> tuple[Array, dict[str, Array]]:
        after, action, reward, end, mask = given
        said = self._outcome(network, vector, action)
        target = self.change(self._turn(vector, after - vector))
        terms = said.terms(target, self.reward(reward[None])[0], end)
        following = jnp.where(mask, self._move(vector, said.change), vector)
        return following, terms

    def _outcomes(self, vector: Float[Array, " O"], action: Float[Array, " A"]) -> Said:
        return jax.vmap(lambda network: self._outcome(network, vector, action))(self.networks)

    def _outcome(self, network: MLP, vector: Float[Array, " O"], action: Float[Array, " A"]) -> Said:
        seen = action if self.frame is None else action_to_frame(self.frame, vector, action)
        inputs = [self.features.of_vector(vector), self.action(action), self.action(seen)]
        return Said.of(network(jnp.concatenate(inputs)), self.layout.size)

    def _turn(self, vector: Float[Array, " O"], change: Float[Array, " O"]) -> Float[Array, " O"]:
        return turned(self.frame, vector, change)

    def _move(self, vector: Float[Array, " O"], change: Float[Array, " O"]) -> Float[Array, " O"]:
        return moved(self.frame, vector, vector, self.change.invert(change))

    def _relative_scale(self) -> Float[Array, " O"]:
        """One normalised change in units of the normalised observation."""
        return self.change.std / self.features.normaliser.std[: self.layout.size]
