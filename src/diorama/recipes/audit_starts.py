"""The first observations of an evaluation by seeds, as the task's own world shows them."""

import numpy as np

from diorama.core import HostEnv
from diorama.core.errors import ConfigError
from diorama.envs.adapters.host import complete_scenario
from diorama.recipes.audit_facts import evaluated_seeds
from diorama.recipes.book import Book
from diorama.recipes.tasks import find_task
from diorama.registry.records import Version


def first_shown(book: Book, evaluation: Version) -> dict[str, np.ndarray]:
    """Vectors by name, [N, D] each. Raises `ConfigError` where no world here can show them."""
    task = find_task(task_name(book, evaluation))
    env = task.env()
    seeds = np.asarray(evaluated_seeds(book, evaluation), np.int64)
    if not len(seeds):
        raise ConfigError(f"{evaluation.name} does not say which seeds it played.")
    scenario = complete_scenario(env.spec.scenario, None, len(seeds))
    return observed(env, seeds, scenario)


def observed(env: object, seeds: np.ndarray, scenario: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a world of either kind shows first for each seed, vectors only, [N, D]."""
    if isinstance(env, HostEnv):
        seen = env.observe(env.reset(seeds.astype(np.uint32), scenario))
    else:
        import jax

        def start(seed: jax.Array, one: dict) -> dict:
            return env.observe(env.reset(one, jax.random.split(jax.random.key(seed))[0]))

        seen = jax.vmap(start)(seeds.astype(np.uint32), scenario)
    arrays = {name: np.asarray(values) for name, values in seen.items()}
    return {name: values.reshape(len(seeds), -1) for name, values in arrays.items() if values.ndim < 4}


def task_name(book: Book, evaluation: Version) -> str:
    """The task of an evaluation: as it says, else that of the world's contract."""
    if isinstance(said := evaluation.fields.get("task"), str):
        return said
    world = next(edge.target for edge in evaluation.edges if edge.role == "evaluated_in")
    return str(book.registry.get(world).fields.get("contract", {}).get("name", ""))
