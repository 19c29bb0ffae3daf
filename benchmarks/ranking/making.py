"""What the ranking study ranks and ranks in: data, worlds and policies, each made once and kept in a folder.

Everything is small, so that the whole study takes some hours of one core. Nothing here sees an evaluation seed.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import jax
import numpy as np
from settings import Settings

from diorama.data import Dataset, Windows
from diorama.envs.pusht import Relative
from diorama.envs.pusht_mujoco import Table, identify_table
from diorama.envs.pusht_quasistatic import identify
from diorama.imagine import Through, as_env
from diorama.learn import (
    CloningConfig,
    FirstOrderConfig,
    PPOConfig,
    clone,
    fit,
    train_first_order,
    train_ppo,
)
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.state import TrainState
from diorama.learn.worlds import Fixed, Hypotheses
from diorama.models import Ensemble
from diorama.policies import Actor, ActorConfig, Critic, Likeliest, save
from diorama.recipes.any_model import build
from diorama.recipes.any_model import load as load_model
from diorama.recipes.any_model import save as save_model
from diorama.recipes.collecting import collect
from diorama.recipes.config import WorldConfig
from diorama.recipes.loop import NEVER, apart
from diorama.recipes.modelling import modelled
from diorama.recipes.presets import PUSH_T, world_config
from diorama.recipes.push_t_reward import PushTReward
from diorama.recipes.tasks import Task
from diorama.recipes.worlds import save_physics

PLAY_SEED, DEMONSTRATION_SEED, FIT_SEED = 340_000, 350_000, 0
"""Seeds of the data and of all learning; evaluation begins at 410000."""
CALIBRATION_SEED = 360_000
"""Seeds of the episodes by which worlds are weighted."""
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Data:
    """What was recorded: for the worlds, the demonstrations alone, and by its actor, that from which nothing learns."""

    both: Dataset
    demonstrations: Dataset
    calibration: Mapping[str, Dataset]


def collected(task: Task, settings: Settings, out: pathlib.Path) -> Data:
    """Scripted play and scripted demonstrations in gym-pusht."""
    plays = range(PLAY_SEED, PLAY_SEED + settings.play)
    shown = range(DEMONSTRATION_SEED, DEMONSTRATION_SEED + settings.demonstrations)
    alone = collect(task, "demonstrations", shown, out / "demonstrations", length=settings.length)
    collect(task, "play", plays, out / "data", length=settings.length)
    both = collect(task, "demonstrations", shown, out / "data", length=settings.length)
    held = range(CALIBRATION_SEED, CALIBRATION_SEED + settings.calibration)
    calibration = {
        actor: collect(task, actor, held, out / f"calibration-{actor}", length=settings.length)
        for actor in ("play", "demonstrations")
    }
    return Data(both, alone, calibration)


def worlds(data: Data, settings: Settings, out: pathlib.Path, say: Say) -> dict[str, str]:
    """Fit the learned worlds and identify the physics: name to an address for `find_world`."""
    for name, config in configs(settings).items():
        if not (out / name / "world" / "artifact.json").exists():
            _fit(data, config, out, name)
            say(f"world {name}")
    windows = Windows(data.both, 3, PUSH_T.observations).sample(np.random.default_rng(FIT_SEED), settings.windows)
    if not (out / "quasi-static" / "physics.json").exists():
        found = identify(Relative(), windows).parameters.numbers()
        save_physics(out / "quasi-static", "push-t-quasistatic", found)
        say(f"world quasi-static {found}")
    if not (out / "mujoco" / "physics.json").exists():
        few = jax.tree.map(lambda leaf: leaf[: settings.table_windows], windows)
        coarse = Table(timestep=0.005, softness=0.01)
        table = identify_table(Relative(), few, coarse).table
        save_physics(out / "mujoco", "push-t-mujoco", dataclasses.asdict(table))
        say(f"world mujoco {table}")
    return {name: str(out / name) for name in settings.worlds}


def _fit(data: Data, config: WorldConfig, out: pathlib.Path, name: str) -> None:
    """Fit a learned world; without the exam of `fit_world`, which would take longer than a small fit."""
    spec = modelled(data.both.spec(), config.observations, config.model)
    training, selection, _ = apart(Windows(data.both, config.window, tuple(spec.observation)), config)
    sample = training.sample(np.random.default_rng(FIT_SEED), 4096)
    model = build(config.model, spec, config.seed).measured(sample)
    keep = Checkpoints(out / "checkpoints" / name)
    fitted = fit(config.fit, model, training, selection, checkpoints=keep).model
    save_model(out / name / "world", fitted, config.model)


def configs(settings: Settings) -> Mapping[str, WorldConfig]:
    """How each learned world is fitted: as `diorama fit` does it."""
    return {
        model: dataclasses.replace(
            world_config(size, FIT_SEED, model=model, structure=PUSH_T, updates=settings.fits.get(model)),
            observations=PUSH_T.observations,
        )
        for model, size in settings.sizes.items()
    }


def cloned(data: Data, settings: Settings, out: pathlib.Path, say: Say) -> dict[str, str]:
    """Behaviour cloning at growing numbers of demonstrations."""
    made = {}
    for count in settings.cloned:
        name = f"bc-{count}"
        made[name] = str(out / name)
        if _there(out / name):
            continue
        windows = Windows(data.demonstrations, 1, PUSH_T.observations)
        some = windows.only(windows.episodes[:count])
        spec, config = data.both.spec(), ActorConfig("nano", PUSH_T.aim)
        spec = dataclasses.replace(spec, observation={"features": spec.observation["features"]})
        sample = some.sample(np.random.default_rng(FIT_SEED), 4096)
        actor = Actor.build(config, spec, count).measured({"features": sample.observation["features"][:, 0]})
        learned = clone(CloningConfig(updates=settings.clone, seed=count, chunk=100), actor, some).actor
        save(out / name / "policy", learned.choosing(Likeliest()), config, spec)
        say(f"policy {name}")
    return made


def optimised(data: Data, settings: Settings, out: pathlib.Path, say: Say) -> dict[str, tuple[str, str]]:
    """Policies trained in learned worlds, several checkpoints of each run: name to address and the world's name."""
    made = {}
    for world, marks in settings.first_order.items():
        made |= _marks(f"first-order-{world}", world, marks, out)
        if any(not _there(out / f"first-order-{world}-{mark}") for mark in marks):
            _train_first_order(data, settings, out, world, marks)
            say(f"first-order {world}")
    for world, marks in settings.ppo.items():
        made |= _marks(f"ppo-{world}", world, marks, out)
        if any(not _there(out / f"ppo-{world}-{mark}") for mark in marks):
            _train_ppo(data, settings, out, world, marks)
            say(f"ppo {world}")
    return made


def _marks(name: str, world: str, marks: tuple[int, ...], out: pathlib.Path) -> dict[str, tuple[str, str]]:
    return {f"{name}-{mark}": (str(out / f"{name}-{mark}"), world) for mark in marks}


def _begun(data: Data, out: pathlib.Path, world: str) -> tuple:
    """Worlds to train in, an actor, its configuration, and a critic."""
    model = load_model(out.parent / "worlds" / world / "world")
    seen = {"features": np.asarray(data.both.column("observation.features"), np.float32)}
    imagined = as_env(model, seen, reward=PushTReward(), threshold=NEVER)
    inside = Hypotheses(imagined, Ensemble.draw) if isinstance(model, Ensemble) else Fixed(imagined)
    config = ActorConfig("nano", PUSH_T.aim)
    actor = Actor.build(config, imagined.spec, FIT_SEED).measured(seen)
    return inside, imagined.spec, actor, config, Critic.build(config, imagined.spec, FIT_SEED + 1).measured(seen)


def _train_first_order(data: Data, settings: Settings, out: pathlib.Path, world: str, marks: tuple[int, ...]) -> None:
    inside, spec, actor, config, critic = _begun(data, out, world)
    how = FirstOrderConfig(updates=max(marks), worlds=settings.side_by_side, chunk=settings.chunk, seed=FIT_SEED)
    keep = Checkpoints(out / "checkpoints" / f"first-order-{world}")
    visit = _keeper(out, f"first-order-{world}", marks, config, spec)
    train_first_order(how, actor, critic, inside, Through(), checkpoints=keep, visit=visit)


def _train_ppo(data: Data, settings: Settings, out: pathlib.Path, world: str, marks: tuple[int, ...]) -> None:
    inside, spec, actor, config, critic = _begun(data, out, world)
    how = PPOConfig(
        updates=max(marks), worlds=settings.side_by_side, length=64, episode=150, chunk=settings.chunk, seed=FIT_SEED
    )
    keep = Checkpoints(out / "checkpoints" / f"ppo-{world}")
    visit = _keeper(out, f"ppo-{world}", marks, config, spec)
    train_ppo(how, actor, critic, inside, checkpoints=keep, visit=visit)


def _keeper(
    out: pathlib.Path, name: str, marks: tuple[int, ...], config: ActorConfig, spec: object
) -> Callable[[TrainState], None]:
    def visit(state: TrainState) -> None:
        done = int(state.cursor)
        if done in marks:
            save(out / f"{name}-{done}" / "policy", state.learned.actor.choosing(Likeliest()), config, spec)

    return visit


def _there(folder: pathlib.Path) -> bool:
    return (folder / "policy" / "artifact.json").exists()
