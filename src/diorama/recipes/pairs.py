"""A global and a local world as a policy is trained between them, and the policy as it acts in reality.

Where the worlds predict vectors, the policy sees what they predict. Where they show pictures, it sees what the local
one believes while it is shown them (`diorama.imagine.latent`), and takes the local one along into reality.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import Env, Policy, Window, WorldModel, filter_jit
from diorama.data import Dataset, Windows
from diorama.imagine import Decoupled, Gradient, Imagined, Through, as_env
from diorama.imagine.latent import LATENT, as_latent
from diorama.imagine.world import Reward
from diorama.learn.config import FirstOrderConfig
from diorama.learn.worlds import Fixed, Worlds
from diorama.policies import Actor
from diorama.policies import save as save_policy
from diorama.policies.latent import LatentPolicy
from diorama.recipes import latent_policies
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.latent_policies import LatentPolicyConfig
from diorama.recipes.loop import NEVER, Observed, check_startable, hypotheses, imagined_from
from diorama.recipes.modelling import pictures_of
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.visiting import Visitor, visitor

SEEN, STARTS, MEASURED = 4, 2048, 512
"""Of pictures: the real steps that imagination begins after, so many stretches of them, and those that are measured."""


class Pair(NamedTuple):
    """The worlds of one round, as a policy is trained in them.

    ``observation``: real observations ``[N, ...]`` by name, for normalisers. ``through``: the model that the policy
    sees through, None where it sees the observations themselves.
    """

    worlds: Worlds
    gradient: Gradient
    imagined: Env
    observation: Observed
    through: WorldModel | None = None

    def policy(self, actor: Actor) -> Actor | LatentPolicy:
        """The actor as it acts in reality."""
        return actor if self.through is None else LatentPolicy(self.through, actor)

    def keep(self, folder: Path, actor: Actor, config: CoupledConfig) -> None:
        """Save that policy as an artifact."""
        if self.through is None:
            save_policy(folder, actor, config.policy.actor, self.imagined.spec)
        else:
            settings = LatentPolicyConfig(config.local.model, config.policy.actor)
            latent_policies.save(folder, LatentPolicy(self.through, actor), settings)

    def visitor(self, run: RunFolder, name: str, train: FirstOrderConfig, dataset: Dataset) -> Visitor | None:
        """What notes where training goes; None where nobody asks, and for beliefs, which are no place in the data."""
        if not isinstance(self.imagined, Imagined):
            return None
        return visitor(run, name, train, self.worlds, self.imagined, dataset)


def pair_of(
    world: WorldModel, local: WorldModel, dataset: Dataset, reward: Reward | None, *, ends: bool = True
) -> Pair:
    """The global world as one to train in from the dataset's real states, and the local one as its derivative.

    ``ends``: see `imagined_from`. ``reward``: analytic, or None for the models' heads, and always for pictures.
    """
    if pictures_of(world.spec):
        return _believed(world, local, dataset, ends)
    imagined, observation = imagined_from(world, dataset, reward, ends=ends)
    return Pair(hypotheses(imagined), Decoupled(local, reward), imagined, observation)


def actor_of(policy: Policy) -> Policy:
    """What of a policy is trained."""
    return policy.actor if isinstance(policy, LatentPolicy) else policy


def _believed(world: WorldModel, local: WorldModel, dataset: Dataset, ends: bool) -> Pair:
    """Imagination goes on after stretches of reality; the decoupled gradient is that `Through` this latent world."""
    check_startable(world.spec, dataset)
    windows = Windows(dataset, SEEN, tuple(world.spec.observation))
    # Drawn with replacement, so that there are always as many, and one program serves all rounds.
    begun = windows.sample(np.random.default_rng(0), STARTS)
    last = {name: values[:, -1] for name, values in begun.observation.items()}
    imagined = as_env(world, last, threshold=0.5 if ends else NEVER)
    believed = as_latent(imagined, local, jax.tree.map(jnp.asarray, begun))
    views = _views(local, jax.tree.map(lambda leaf: jnp.asarray(leaf[:MEASURED]), begun), jax.random.key(0))
    return Pair(Fixed(believed), Through(), believed, {LATENT: np.asarray(views)}, local)


@filter_jit
def _views(local: WorldModel, windows: Window, key: jax.Array) -> jax.Array:
    """The features of the belief at the end of each window, ``[N, n]``."""
    keys = jax.random.split(key, windows.reward.shape[0])
    return jax.vmap(lambda window, k: local.infer(window, k).features)(windows, keys)
