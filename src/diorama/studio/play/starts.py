"""Real starts of play: a seed of reality, or a row of a recorded episode."""

import numpy as np

from diorama.core.errors import ConfigError
from diorama.data import Dataset
from diorama.studio.play.scenes import Observation, Start
from diorama.studio.play.stable import Offer, Stable

MOST = 2**31 - 1
"""The largest seed."""
_PREFIX = "observation."


def seeded(stable: Stable, offer: Offer, seed: int) -> Start:
    """Where reality begins with this seed, for the worlds of the offer's arena.

    Raises `ConfigError` for impossible seeds and where the arena has no reality: then a recorded episode is needed.
    """
    if not 0 <= seed <= MOST:
        raise ConfigError(f"A seed is a whole number from 0 to {MOST}.")
    real = stable.real(offer.arena)
    if real is None:
        raise ConfigError(f"Nothing stands for reality beside {offer.title}; begin from a recorded episode.")
    bare = Start(f"seed {seed}", (), (), seed)
    return Start(bare.label, (stable.drive(real, bare).begin(bare).observation,), (), seed)


def recorded(dataset: Dataset, title: str, episode: int, row: int, context: int) -> Start:
    """What was seen at a row of an episode, with up to ``context`` - 1 rows before it.

    Raises `ConfigError` where there is no such row, `DataError` for damaged files.
    """
    if not 0 <= episode < dataset.num_episodes:
        raise ConfigError(f"{title} has the episodes 0 to {dataset.num_episodes - 1}; choose one of them.")
    length = int(dataset.lengths[episode])
    if not 0 <= row < length:
        raise ConfigError(f"Episode {episode} of {title} has the rows 0 to {length - 1}; choose one of them.")
    first = max(row - context + 1, 0)
    columns = _columns(dataset, episode, first, row + 1)
    begin = int(dataset.starts[episode])
    done = np.asarray(dataset.column("action"))[begin + first : begin + row]
    done = [np.ravel(action).astype(np.float32) for action in done]
    seen = tuple({name: rows[k] for name, rows in columns.items()} for k in range(row + 1 - first))
    return Start(f"{title}, episode {episode}, row {row}", seen, tuple(done))


def _columns(dataset: Dataset, episode: int, first: int, last: int) -> Observation:
    """Observations of rows [first, last) of an episode, by name."""
    begin = int(dataset.starts[episode])
    keys = [k for k, f in dataset.features.items() if k.startswith(_PREFIX) and f["dtype"] != "string"]

    def rows(key: str) -> np.ndarray:
        if key in dataset.camera_keys:
            return dataset.frames(key, episode, first, last)
        return np.asarray(dataset.column(key))[begin + first : begin + last]

    return {key.removeprefix(_PREFIX): rows(key) for key in keys}
