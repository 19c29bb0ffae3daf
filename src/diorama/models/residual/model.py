"""Physics plus a learned residual: networks predict only what a known law gets wrong.

Sources: Zeng et al. 2019, "TossingBot" (arXiv 1903.11239, residual physics); Ajay et al. 2018, "Augmenting Physical
Simulators with Stochastic Neural Networks" (arXiv 1808.03246, for planar pushing). The networks and their loss are
those of our ensemble (PETS, arXiv 1805.12114; beta-NLL, arXiv 2203.09168), so that the two differ by the physics alone.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from diorama.core import EnvSpec, Metrics, Module, Prediction, Window, WorldModel, field, tree_at
from diorama.core.env import Observation
from diorama.models.members import Said, Vector, VectorBelief, alone, count, loss_along, moved, stacked, turned
from diorama.models.residual.config import ResidualConfig
from diorama.models.residual.physics import Physics
from diorama.nn import MLP, Features, Layout, Normaliser, PlanarFrame, action_to_frame


class Foreseen(Module):
    """What the physics says: the flat observation after the step, and the reward."""

    vector: Vector
    reward: Float[Array, ""]


class Residual(WorldModel):
    """A physics, and an ensemble of networks that correct the observation and the reward it foresees.

    The networks see the observation, the action, and the change that the physics foresees. Untrained, the model is the
    physics exactly. Vectors only, side by side in the order of their names. ``spread`` is that of the members'
    corrections: where they agree that the physics is right, it is small.
    """

    spec: EnvSpec = field(static=True)
    frame: PlanarFrame | None = field(static=True)
    physics: Physics
    layout: Layout
    features: Features
    action: Normaliser
    foreseen: Normaliser
    change: Normaliser
    reward: Normaliser
    networks: MLP

    @staticmethod
    def build(config: ResidualConfig, spec: EnvSpec, seed: int, physics: Physics) -> "Residual":
        """An untrained model over ``physics``. Raises `SpecError` for observations that are not floating point."""
        layout = Layout.of(spec, owner="The residual model")
        features = Features.build(layout, config.frame)
        inputs = features.size + 2 * spec.action.size + layout.size
        networks = stacked(config.members, inputs, config.hidden, layout.size, seed, last_gain=0.0)
        normalisers = (Normaliser.identity(n) for n in (spec.action.size, layout.size, layout.size, 1))
        return Residual(spec, config.frame, physics, layout, features, *normalisers, networks)

    def measured(self, windows: Window) -> "Residual":
        """The same model with the normalisers' statistics from windows ``[N, T, ...]`` of real interaction."""
        vectors, real = np.asarray(self.layout.flatten(windows.observation)), np.asarray(windows.mask)
        before, after = (jnp.asarray(part[real]) for part in (vectors[:, :-1], vectors[:, 1:]))
        action = jnp.asarray(np.asarray(windows.action)[real])
        keys = jax.random.split(jax.random.key(0), len(action))
        said = jax.lax.map(lambda given: self._foresee(*given), (before, action, keys), batch_size=256)
        went = jax.vmap(self._turn)(before, said.vector - before)
        wrong = jax.vmap(self._turn)(before, after - said.vector)
        found = (
            self.features.measured(before),
            Normaliser.of(np.asarray(action)),
            Normaliser.of(np.asarray(went)),
            _about_zero(np.asarray(wrong)),
            _about_zero((np.asarray(windows.reward)[real] - np.asarray(said.reward))[:, None]),
        )
        return tree_at(lambda m: (m.features, m.action, m.foreseen, m.change, m.reward), self, found)

    def member(self, index: int | Int[Array, ""]) -> "Residual":
        """The model with this one member."""
        return tree_at(lambda m: m.networks, self, alone(self.networks, index))

    def draw(self, key: PRNGKeyArray) -> "Residual":
        """The model with one member, drawn uniformly."""
        return self.member(jax.random.randint(key, (), 0, count(self.networks)))

    def start(self, observation: Observation, key: PRNGKeyArray) -> VectorBelief:
        """The observation itself; no reward, end or spread yet."""
        return VectorBelief.of(self.layout, observation)

    def step(self, belief: VectorBelief, action: Float[Array, " A"], key: PRNGKeyArray) -> VectorBelief:
        """What the physics foresees, corrected by the mean of the members."""
        said = self._foresee(belief.vector, action, key)
        each = jax.vmap(lambda network: self._correct(network, belief.vector, action, said))(self.networks)
        mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)
        spread = jnp.mean(jnp.std(each.change, axis=0) * self._relative_scale())
        reward = said.reward + self.reward.invert(mean.reward[None])[0]
        following = self._move(belief.vector, said, mean.change)
        return VectorBelief(following, reward, jax.nn.sigmoid(mean.end), spread)

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
        keys = jax.random.split(key, window.length)
        inputs = (seen[1:], window.action, window.reward, window.end, window.mask, keys)
        return loss_along(self.networks, self._loss_step, seen[0], inputs, window.mask)

    def _loss_step(self, network: MLP, vector: Vector, given: tuple) -> tuple[Array, dict[str, Array]]:
        after, action, reward, end, mask, key = given
        said = self._foresee(vector, action, key)
        correction = self._correct(network, vector, action, said)
        target = self.change(self._turn(vector, after - said.vector))
        terms = correction.terms(target, self.reward((reward - said.reward)[None])[0], end)
        return jnp.where(mask, self._move(vector, said, correction.change), vector), terms

    def _foresee(self, vector: Vector, action: Float[Array, " A"], key: PRNGKeyArray) -> Foreseen:
        observation, reward = self.physics.ahead(self.layout.split(vector), action, key)
        return Foreseen(self.layout.flatten(observation), reward)

    def _correct(self, network: MLP, vector: Vector, action: Float[Array, " A"], said: Foreseen) -> Said:
        seen = action if self.frame is None else action_to_frame(self.frame, vector, action)
        went = self.foreseen(self._turn(vector, said.vector - vector))
        inputs = [self.features.of_vector(vector), self.action(action), self.action(seen), went]
        return Said.of(network(jnp.concatenate(inputs)), self.layout.size)

    def _turn(self, vector: Vector, change: Vector) -> Vector:
        return turned(self.frame, vector, change)

    def _move(self, vector: Vector, said: Foreseen, change: Vector) -> Vector:
        return moved(self.frame, vector, said.vector, self.change.invert(change))

    def _relative_scale(self) -> Vector:
        """One normalised correction in units of the normalised observation."""
        return self.change.std / self.features.normaliser.std[: self.layout.size]


def _about_zero(values: np.ndarray) -> Normaliser:
    """A scale without an offset, so that no correction is the physics itself; entries that are right stay so."""
    size = np.sqrt(np.mean(np.asarray(values, np.float64) ** 2, axis=0))
    scale = np.where(size < 1e-6, 0.0, size)
    return Normaliser(jnp.zeros(len(scale)), jnp.asarray(scale, jnp.float32))
