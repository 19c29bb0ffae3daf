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
from diorama.models.residual.config import ResidualConfig
from diorama.models.residual.physics import Physics
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
END_WEIGHT = 0.1
BETA = 0.5
Vector = Float[Array, " O"]


class ResidualBelief(Module):
    """The flat observation in physical units, and what the step that led here said."""

    vector: Vector
    reward: Float[Array, ""]
    end: Float[Array, ""]
    spread: Float[Array, ""]


class Foreseen(Module):
    """What the physics says: the flat observation after the step, and the reward."""

    vector: Vector
    reward: Float[Array, ""]


class Correction(Module):
    """One member's normalised correction of observation (mean and log-variance) and reward, and the end's logit."""

    change: Vector
    log_variance: Vector
    reward: Float[Array, ""]
    end: Float[Array, ""]


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
        sizes = (features.size + 2 * spec.action.size + layout.size, *config.hidden, 2 * layout.size + 2)
        generators = np.random.default_rng(seed).spawn(config.members)
        networks = MLP.stack([MLP.build(rng, sizes, between=nothing, last_gain=0.0) for rng in generators])
        normalisers = (Normaliser.identity(n) for n in (spec.action.size, layout.size, layout.size, 1))
        return Residual(spec, config.frame, physics, layout, features, *normalisers, networks)

    def measured(self, windows: Window) -> "Residual":
        """The same model with the normalisers' statistics from windows ``[N, T, ...]`` of real interaction."""
        vectors, real = np.asarray(self.layout.flatten(windows.observation)), np.asarray(windows.mask)
        before, after = (jnp.asarray(part[real]) for part in (vectors[:, :-1], vectors[:, 1:]))
        action = jnp.asarray(np.asarray(windows.action)[real])
        keys = jax.random.split(jax.random.key(0), len(action))
        said = jax.lax.map(lambda given: self._foresee(*given), (before, action, keys), batch_size=256)
        moved = jax.vmap(self._turn)(before, said.vector - before)
        wrong = jax.vmap(self._turn)(before, after - said.vector)
        found = (
            self.features.measured(before),
            Normaliser.of(np.asarray(action)),
            Normaliser.of(np.asarray(moved)),
            _about_zero(np.asarray(wrong)),
            _about_zero((np.asarray(windows.reward)[real] - np.asarray(said.reward))[:, None]),
        )
        return tree_at(lambda m: (m.features, m.action, m.foreseen, m.change, m.reward), self, found)

    def member(self, index: int | Int[Array, ""]) -> "Residual":
        """The model with this one member."""
        return tree_at(lambda m: m.networks, self, jax.tree.map(lambda leaf: leaf[index][None], self.networks))

    def draw(self, key: PRNGKeyArray) -> "Residual":
        """The model with one member, drawn uniformly."""
        return self.member(jax.random.randint(key, (), 0, self.networks.layers[0].bias.shape[0]))

    def start(self, observation: Observation, key: PRNGKeyArray) -> ResidualBelief:
        """The observation itself; no reward, end or spread yet."""
        zero = jnp.zeros(())
        return ResidualBelief(self.layout.flatten(observation), zero, zero, zero)

    def step(self, belief: ResidualBelief, action: Float[Array, " A"], key: PRNGKeyArray) -> ResidualBelief:
        """What the physics foresees, corrected by the mean of the members."""
        said = self._foresee(belief.vector, action, key)
        each = jax.vmap(lambda network: self._correct(network, belief.vector, action, said))(self.networks)
        mean = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)
        spread = jnp.mean(jnp.std(each.change, axis=0) * self._relative_scale())
        reward = said.reward + self.reward.invert(mean.reward[None])[0]
        moved = self._move(belief.vector, said, mean.change)
        return ResidualBelief(moved, reward, jax.nn.sigmoid(mean.end), spread)

    def update(
        self, belief: ResidualBelief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray
    ) -> ResidualBelief:
        """What was seen replaces the prediction; reward, end and spread stay those of the step."""
        following = self.step(belief, action, key)
        return tree_at(lambda b: b.vector, following, self.layout.flatten(observation))

    def infer(self, window: Window, key: PRNGKeyArray) -> ResidualBelief:
        """The last observation of the window."""
        return self.start({name: value[-1] for name, value in window.observation.items()}, key)

    def read(self, belief: ResidualBelief) -> Prediction:
        """The observation, and the reward, the end and the spread of the step that led here."""
        return Prediction(self.layout.split(belief.vector), belief.reward, belief.end, belief.spread)

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """Mean over members of likelihood + reward error + end cross-entropy, along each member's own predictions."""
        seen = self.layout.flatten(window.observation)
        keys = jax.random.split(key, window.length)
        inputs = (seen[1:], window.action, window.reward, window.end, window.mask, keys)

        def along(network: MLP) -> dict[str, Float[Array, ""]]:
            _, terms = jax.lax.scan(lambda v, x: self._loss_step(network, v, x), seen[0], inputs)
            return {name: jnp.sum(t * window.mask) / jnp.maximum(window.mask.sum(), 1) for name, t in terms.items()}

        metrics = {name: jnp.mean(values) for name, values in jax.vmap(along)(self.networks).items()}
        total = metrics["likelihood"] + REWARD_WEIGHT * metrics["reward"] + END_WEIGHT * metrics["end"]
        return total, metrics

    def _loss_step(self, network: MLP, vector: Vector, given: tuple) -> tuple[Array, dict[str, Array]]:
        after, action, reward, end, mask, key = given
        said = self._foresee(vector, action, key)
        correction = self._correct(network, vector, action, said)
        target = self.change(self._turn(vector, after - said.vector))
        terms = {
            "likelihood": jnp.mean(_weighted_likelihood(correction.change, correction.log_variance, target)),
            "squared_error": jnp.mean((correction.change - target) ** 2),
            "reward": 0.5 * (correction.reward - self.reward((reward - said.reward)[None])[0]) ** 2,
            "end": jax.nn.softplus(correction.end) - correction.end * end,
        }
        return jnp.where(mask, self._move(vector, said, correction.change), vector), terms

    def _foresee(self, vector: Vector, action: Float[Array, " A"], key: PRNGKeyArray) -> Foreseen:
        observation, reward = self.physics.ahead(self.layout.split(vector), action, key)
        return Foreseen(self.layout.flatten(observation), reward)

    def _correct(self, network: MLP, vector: Vector, action: Float[Array, " A"], said: Foreseen) -> Correction:
        seen = action if self.frame is None else action_to_frame(self.frame, vector, action)
        moved = self.foreseen(self._turn(vector, said.vector - vector))
        inputs = [self.features.of_vector(vector), self.action(action), self.action(seen), moved]
        size = self.layout.size
        change, log_variance, heads = jnp.split(network(jnp.concatenate(inputs)), [size, 2 * size])
        return Correction(change, soft_clip(log_variance, *LOG_VARIANCE), heads[0], heads[1])

    def _turn(self, vector: Vector, change: Vector) -> Vector:
        return change if self.frame is None else to_frame(self.frame, vector, change)

    def _move(self, vector: Vector, said: Foreseen, change: Vector) -> Vector:
        change = self.change.invert(change)
        if self.frame is None:
            return said.vector + change
        return normalise_heading(self.frame, said.vector + from_frame(self.frame, vector, change))

    def _relative_scale(self) -> Vector:
        """One normalised correction in units of the normalised observation."""
        return self.change.std / self.features.normaliser.std[: self.layout.size]


def _about_zero(values: np.ndarray) -> Normaliser:
    """A scale without an offset, so that no correction is the physics itself; entries that are right keep scale 1."""
    size = np.sqrt(np.mean(np.asarray(values, np.float64) ** 2, axis=0))
    scale = np.where(size < 1e-6, 1.0, size)
    return Normaliser(jnp.zeros(len(scale)), jnp.asarray(scale, jnp.float32))


def _weighted_likelihood(mean: Array, log_variance: Array, target: Array) -> Array:
    """The Gaussian likelihood times the detached standard deviation to the power 2 beta (beta-NLL)."""
    weight = jax.lax.stop_gradient(jnp.exp(BETA * log_variance))
    return weight * gaussian_negative_log_likelihood(mean, log_variance, target)
