"""What a policy visits in imagination while it is trained: sampled between updates, and kept with the run.

A learned world has no factors of variation, so an imagined step counts with the factors of the real row that its
episode started from. Each sample lets the policy of that moment act in the world that it is trained in, as long as
training does; its randomness is its own, so that training is the same with it and without.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from diorama.core import Trajectory, filter_jit
from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.data import Dataset
from diorama.imagine import Imagined, rollout
from diorama.learn.config import FirstOrderConfig
from diorama.learn.state import TrainState
from diorama.learn.worlds import Worlds
from diorama.policies import Actor
from diorama.recipes import describing
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.visited import kept, read_kept
from diorama.registry.visits import Visits

SAMPLES, WORLDS = 16, 32
"""How often a training is sampled at most, and in how many worlds side by side."""
_KEY = 0x7669_7369


class Visitor:
    """Told the state after each chunk of updates (`train_first_order`'s ``visit``); samples at even distances.

    ``world``: that of training, whose starts are rows; ``factors``: name to the value at each of these rows [N].
    ``empty``: the declared sketch. ``path``: where it is kept, so that a training that goes on goes on with it.
    """

    def __init__(
        self,
        path: Path,
        config: FirstOrderConfig,
        worlds: Worlds,
        world: Imagined,
        factors: Mapping[str, np.ndarray],
        empty: Visits,
    ) -> None:
        self._path, self._config, self._worlds, self._world = path, config, worlds, world
        self._factors, self._names = factors, sorted(empty.cells.quantisation) if empty.cells else ()
        self._done, self._steps, self._visits = read_kept(path) or (0, 0, empty)

    def __call__(self, state: TrainState) -> None:
        """Sample, where the last sample lies far enough back."""
        done, total = int(state.cursor), self._config.updates
        if done <= self._done or (done < total and (done - self._done) * SAMPLES < total):
            return
        seen, rows = self._imagined(state.learned.actor, done)
        self._add(seen, rows)
        self._done = done
        record = {"updates": done, "steps": self._steps, "visited": self._visits.to_json()}
        write_atomically(self._path, canonical(record))

    def _imagined(self, actor: Actor, done: int) -> tuple[Trajectory, np.ndarray]:
        config = self._config
        key = jax.random.fold_in(jax.random.key(config.seed ^ _KEY), done)
        count = len(next(iter(self._world.starts.values())))
        rows = np.random.default_rng([config.seed, _KEY, done]).integers(0, count, min(WORLDS, config.worlds))
        starts = {name: values[rows] for name, values in self._world.starts.items()}
        length = config.episode or config.horizon
        return jax.tree.map(np.asarray, _walk((self._worlds, length), actor, starts, key)), rows

    def _add(self, seen: Trajectory, rows: np.ndarray) -> None:
        """Count the first observation and each one that a step led to; what diverged to no number is left out."""
        observed = {name: np.asarray(seen.observation[name], np.float64) for name in self._names}
        there = np.concatenate([np.ones((len(rows), 1), bool), seen.mask], axis=1)
        for values in observed.values():
            there &= np.isfinite(values.reshape(*there.shape, -1)).all(axis=-1)
        which = np.repeat(rows[:, None], there.shape[1], axis=1)[there]
        factors = {name: np.asarray(self._factors[name], np.float64)[which] for name in self._visits.factors}
        self._visits = self._visits.add(factors, {name: values[there] for name, values in observed.items()})
        self._steps += int(there.sum())


def visitor(
    run: RunFolder, policy: str, config: FirstOrderConfig, worlds: Worlds, world: Imagined, dataset: Dataset
) -> Visitor | None:
    """The visitor of the training that makes ``policy`` (its folder's name), where somebody registers this run.

    ``dataset``: the one whose rows ``world`` starts from.
    """
    if run.told is None:
        return None
    empty, factors = describing.coverage(dataset, describing.vectors(dataset, world.spec.observation))
    return Visitor(run.path / kept(policy), config, worlds, world, factors, empty)


@filter_jit
def _walk(given: tuple[Worlds, int], actor: Actor, starts: Mapping[str, jax.Array], key: jax.Array) -> Trajectory:
    """One trajectory from each start, in the world of one draw."""
    (worlds, length), (draw_key, start_key, roll_key) = given, jax.random.split(key, 3)
    env = worlds.draw(draw_key)
    count = jax.tree.leaves(starts)[0].shape[0]
    states = jax.vmap(env.model.start)(starts, jax.random.split(start_key, count))
    return jax.vmap(lambda s, k: rollout(env, actor, s, length=length, key=k))(
        states, jax.random.split(roll_key, count)
    )
