"""The steps of the loop on any task: fit a world to a dataset, train a policy in it, load what was made.

Each step writes into a `RunFolder` and continues from its checkpoints; the artifacts are ``world/`` and ``policy/``.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core import EnvSpec, WorldModel
from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError, DataError
from diorama.data import Dataset, Windows
from diorama.exam import OpenLoop, examine_open_loop
from diorama.imagine import Imagined, Through, as_env
from diorama.imagine.world import Reward
from diorama.learn import Checkpoints, Report, fit, train_first_order
from diorama.learn.worlds import Hypotheses
from diorama.models import Ensemble
from diorama.models import load as load_model
from diorama.models import save as save_model
from diorama.policies import Actor, Critic, Likeliest
from diorama.policies import load as load_policy
from diorama.policies import save as save_policy
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.matching import check_match
from diorama.recipes.run_folder import RunFolder

Watch = Callable[[Report], None]
"""Told where a stage of learning stands."""
Observed = dict[str, np.ndarray]
"""Real observations ``[N, ...]`` by name."""
WORLD, POLICY, EXAM = "world", "policy", "exam.json"
_EXAMINED, _MEASURED = 512, 8192


def fit_world(run: RunFolder, dataset: Dataset, config: WorldConfig, watch: Watch) -> WorldModel:
    """Fit an ensemble to the dataset, examine it on episodes held out for that, and save ``world/`` and ``exam.json``.

    The best update is selected on episodes of its own (`apart`). Where the run has finished this stage, the
    world is only loaded.
    """
    if run.finished("fit"):
        return load_model(run.path / WORLD)
    spec = modelled(dataset.spec(), config.observations)
    training, selection, held_out = apart(Windows(dataset, config.window, tuple(spec.observation)), config)
    sample = training.sample(np.random.default_rng(config.seed), _MEASURED)
    model = Ensemble.build(config.model, spec, config.seed).measured(sample)
    checkpoints = Checkpoints(run.path / "checkpoints" / "fit")
    fitted = fit(config.fit, model, training, selection, progress=recorded(run, watch), checkpoints=checkpoints)
    save_model(run.path / WORLD, fitted.model, config.model)
    run.write(EXAM, exam_text(examine(fitted.model, dataset, held_out.episodes, config)))
    run.finish("fit", {"episodes": dataset.num_episodes, "dataset": dataset.identity})
    return fitted.model


def apart(windows: Windows, config: WorldConfig) -> tuple[Windows, Windows, Windows]:
    """Windows to learn from, to select the best update by, and for the exam alone: they share no episode.

    The exam gets at least two episodes, because its interval needs two. Where only one is left, it serves for learning
    and for selection. Raises `DataError` for fewer than three episodes.
    """
    count = len(windows.episodes)
    if count < 3:
        raise DataError(f"{count} episodes hold a window; a world needs three: one to learn from and two for its exam.")
    rest, exam = windows.split(max(config.held_out, 2 / count), config.seed)
    if len(rest.episodes) < 2:
        return rest, rest, exam
    training, selection = rest.split(config.held_out, config.seed)
    return training, selection, exam


def examine(model: WorldModel, dataset: Dataset, episodes: np.ndarray, config: WorldConfig) -> OpenLoop:
    """The open-loop exam on windows of held-out episodes, over ``exam_horizon`` steps or what two of them have."""
    horizon = min(config.exam_horizon, int(np.sort(dataset.lengths[episodes])[-2]) - 1)
    windows = Windows(dataset, horizon, tuple(model.spec.observation)).only(episodes)
    numbers = np.random.default_rng(config.seed).integers(0, len(windows), _EXAMINED)
    return examine_open_loop(model, windows.take(numbers), windows.episode_of(numbers), seed=config.seed)


def exam_text(exam: OpenLoop) -> str:
    """The exam as canonical JSON."""
    return canonical(_plain(asdict(exam)))


def train_policy(
    run: RunFolder,
    world: Imagined,
    observation: Observed,
    config: PolicyConfig,
    watch: Watch,
    begin: Actor | None = None,
) -> Actor:
    """Train an actor by first-order gradients in an imagined world, from ``begin`` or anew, and save it as ``policy/``.

    ``observation``: real observations ``[N, ...]`` by name, for the normalisers. One member of the ensemble is the
    world of each update.
    """
    if run.finished("train"):
        return load_policy(run.path / POLICY)
    spec = world.spec
    actor = begin or Actor.build(config.actor, spec, config.seed).measured(observation)
    critic = Critic.build(config.actor, spec, config.seed + 1).measured(observation)
    checkpoints = Checkpoints(run.path / "checkpoints" / "train")
    worlds = Hypotheses(world, Ensemble.draw)
    progress = recorded(run, watch)
    state = train_first_order(
        config.train, actor, critic, worlds, Through(), progress=progress, checkpoints=checkpoints
    )
    trained = state.learned.actor.choosing(Likeliest())
    save_policy(run.path / POLICY, trained, config.actor, spec)
    run.finish("train", {"updates": int(state.cursor)})
    return trained


def imagined_from(model: WorldModel, dataset: Dataset, reward: Reward | None = None) -> tuple[Imagined, Observed]:
    """The model as an environment that starts from the dataset's real observations, and these observations.

    Raises `SpecError` where the dataset's observations are not those of the model, `DataError` where nothing says what
    the reward is.
    """
    names = model.spec.observation
    if reward is None and "next.reward" not in dataset.features:
        raise DataError("The dataset has no next.reward, so the world knows no reward; give imagined_from a reward.")
    # Only the observations are used, so the recorded actions need not fit.
    check_match("The world", model.spec, replace(dataset.spec(), action=model.spec.action))
    observation = {name: np.asarray(dataset.column(f"observation.{name}"), np.float32) for name in names}
    return as_env(model, observation, reward=reward), observation


def modelled(spec: EnvSpec, names: tuple[str, ...]) -> EnvSpec:
    """``spec`` with only the observations ``names``; by default all vectors of floating point.

    Raises `ConfigError` for unknown names and where nothing is left.
    """
    if unknown := sorted(set(names) - set(spec.observation)):
        raise ConfigError(f"The dataset has no observations {unknown}; it has {sorted(spec.observation)}.")
    vectors = [n for n, s in spec.observation.items() if len(s.shape) == 1 and s.dtype.startswith("float")]
    chosen = names or tuple(vectors)
    if not chosen:
        raise ConfigError(f"None of {sorted(spec.observation)} is a vector of floating point; the ensemble needs one.")
    return replace(spec, observation={name: spec.observation[name] for name in chosen})


def recorded(run: RunFolder, watch: Watch) -> Watch:
    """A listener that writes every report into ``metrics.jsonl`` and passes it on.

    The first report of a stage forgets the lines after it, which an interrupted run left behind.
    """
    begun: set[str] = set()

    def listen(report: Report) -> None:
        if report.stage not in begun:
            begun.add(report.stage)
            run.rewind(report.stage, report.step - 1)
        run.log(report.stage, report.step, report.metrics | {"seconds": report.seconds})
        watch(report)

    return listen


def find_artifact(path: Path, name: str) -> Path:
    """The artifact folder ``name`` in a run folder, or ``path`` itself. Raises `ConfigError` where there is none."""
    for place in (Path(path) / name, Path(path)):
        if (place / "artifact.json").is_file():
            return place
    raise ConfigError(f"{path} holds no {name}; give a run folder that has finished, or its {name}/ folder.")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value
