"""The steps of the loop on any task: fit a world to a dataset, train a policy in it, load what was made.

Each step writes into a `RunFolder` and continues from its checkpoints; the artifacts are ``world/`` and ``policy/``.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core import EnvSpec, Window, WorldModel
from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError, DataError
from diorama.data import Dataset, Windows
from diorama.exam import OpenLoop, examine_open_loop
from diorama.imagine import Imagined, Through, as_env
from diorama.imagine.world import Reward
from diorama.learn import Checkpoints, Report, fit, train_first_order
from diorama.learn.worlds import Fixed, Hypotheses, Worlds
from diorama.models import Ensemble
from diorama.policies import Actor, Critic, Likeliest
from diorama.policies import load as load_policy
from diorama.policies import save as save_policy
from diorama.recipes.any_model import build
from diorama.recipes.any_model import load as load_model
from diorama.recipes.any_model import save as save_model
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.matching import check_match, check_visible
from diorama.recipes.modelling import affordable, modelled
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.visiting import visitor

Watch = Callable[[Report], None]
"""Told where a stage of learning stands."""
Observed = dict[str, np.ndarray]
"""Real observations ``[N, ...]`` by name."""
WORLD, POLICY, EXAM = "world", "policy", "exam.json"
_EXAMINED, _MEASURED = 512, 8192
NEVER = 2.0
"""A threshold that no probability of an end exceeds."""


def fit_world(
    run: RunFolder,
    dataset: Dataset,
    config: WorldConfig,
    watch: Watch,
    *,
    name: str = WORLD,
    begin: WorldModel | None = None,
    later: Sequence[int] = (),
) -> WorldModel:
    """Fit a world model to the dataset, examine it on episodes held out for that, and save the model and the exam.

    The class of ``config.model`` says which model. The best update is selected on episodes of its own (`apart`). A run
    may fit several worlds, each by its ``name``: the folder of the artifact; its stage is ``fit`` and its exam
    ``exam.json`` for the one called ``world``, ``fit-NAME`` and ``exam-NAME.json`` for others. Where the run has
    finished this stage, the world is only loaded. ``begin``: a model of this configuration to go on from, with its
    normalisers; without it a new one is built. ``later``: see `apart`.
    """
    stage, exam = ("fit", EXAM) if name == WORLD else (f"fit-{name}", f"exam-{name}.json")
    if run.finished(stage):
        return load_model(run.path / name)
    spec = modelled(dataset.spec(), config.observations, config.model)
    training, selection, held_out = apart(Windows(dataset, config.window, tuple(spec.observation)), config, later)
    sample = training.sample(np.random.default_rng(config.seed), affordable(spec, config.window, _MEASURED))
    begin = begin or build(config.model, spec, config.seed).measured(sample)
    checkpoints, told = Checkpoints(run.path / "checkpoints" / stage), recorded(run, watch)
    fitted = fit(config.fit, begin, training, selection, progress=told, checkpoints=checkpoints, stage=stage)
    save_model(run.path / name, fitted.model, config.model)
    run.write(exam, exam_text(examine(fitted.model, dataset, held_out.episodes, config, sample)))
    note = {"episodes": dataset.num_episodes, "dataset": dataset.identity, "exam": held_out.episodes.tolist()}
    run.finish(stage, note)
    return fitted.model


def apart(windows: Windows, config: WorldConfig, later: Sequence[int] = ()) -> tuple[Windows, Windows, Windows]:
    """Windows to learn from, to select the best update by, and for the exam alone: they share no episode.

    ``later``: the first episodes of batches that were added later. Each batch is parted for itself, so that an episode
    keeps its part when others are added. The exam gets at least two episodes of the first batch, because its interval
    needs two; where only one is left there, it serves for learning and for selection. Raises `DataError` for fewer than
    three episodes.
    """
    bounds, episodes = [0, *later, np.inf], windows.episodes
    batches = [episodes[(episodes >= low) & (episodes < high)] for low, high in itertools.pairwise(bounds)]
    if len(batches[0]) < 3:
        raise DataError(
            f"{len(batches[0])} episodes hold a window; a world needs three: one to learn from and two for its exam."
        )
    parts = [_parted(windows.only(batch), config, config.seed + k) for k, batch in enumerate(batches) if len(batch) > 2]
    rest = [batch for batch in batches if 0 < len(batch) <= 2]
    training, selection, exam = (np.concatenate([part[k].episodes for part in parts]) for k in range(3))
    return windows.only(np.concatenate([training, *rest])), windows.only(selection), windows.only(exam)


def _parted(windows: Windows, config: WorldConfig, seed: int) -> tuple[Windows, Windows, Windows]:
    rest, exam = windows.split(max(config.held_out, 2 / len(windows.episodes)), seed)
    if len(rest.episodes) < 2:
        return rest, rest, exam
    training, selection = rest.split(config.held_out, seed)
    return training, selection, exam


def examine(
    model: WorldModel,
    dataset: Dataset,
    episodes: np.ndarray,
    config: WorldConfig,
    training: Window | None = None,
) -> OpenLoop:
    """The open-loop exam on windows of held-out episodes, over ``exam_horizon`` steps or what two of them have.

    ``training``: windows to fit the baselines of the exam to.
    """
    horizon = min(config.exam_horizon, int(np.sort(dataset.lengths[episodes])[-2]) - 1)
    windows = Windows(dataset, horizon, tuple(model.spec.observation)).only(episodes)
    count = max(affordable(model.spec, horizon, _EXAMINED), 2)
    numbers = np.random.default_rng(config.seed).integers(0, len(windows), count)
    if len(np.unique(windows.episode_of(numbers))) < 2:
        numbers[[0, -1]] = 0, len(windows) - 1  # of the first and of the last episode: an interval needs two
    # A picture costs thousands of numbers, and a draw of one as many calls of the network as a training step.
    pictures = any(len(array.shape) == 3 for array in model.spec.observation.values())
    cost = {"draws": 9, "drawn": 32} if pictures else {}
    return examine_open_loop(
        model, windows.take(numbers), windows.episode_of(numbers), seed=config.seed, training=training, **cost
    )


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
    dataset: Dataset | None = None,
) -> Actor:
    """Train an actor by first-order gradients in an imagined world, from ``begin`` or anew, and save it as ``policy/``.

    ``observation``: real observations ``[N, ...]`` by name, for the normalisers. Of an ensemble, each update imagines
    in one member. ``dataset``: where these observations come from; with it, what the policy visits in imagination is
    kept (see `diorama.recipes.visiting`). Raises `SpecError` where the world shows pictures.
    """
    check_visible(world.spec)
    if run.finished("train"):
        return load_policy(run.path / POLICY)
    spec = world.spec
    actor = begin or Actor.build(config.actor, spec, config.seed).measured(observation)
    critic = Critic.build(config.actor, spec, config.seed + 1).measured(observation)
    checkpoints = Checkpoints(run.path / "checkpoints" / "train")
    worlds, progress = hypotheses(world), recorded(run, watch)
    visit = visitor(run, POLICY, config.train, worlds, world, dataset) if dataset is not None else None
    state = train_first_order(
        config.train, actor, critic, worlds, Through(), progress=progress, checkpoints=checkpoints, visit=visit
    )
    trained = state.learned.actor.choosing(Likeliest())
    save_policy(run.path / POLICY, trained, config.actor, spec)
    run.finish("train", {"updates": int(state.cursor)})
    return trained


def imagined_from(
    model: WorldModel, dataset: Dataset, reward: Reward | None = None, *, ends: bool = True
) -> tuple[Imagined, Observed]:
    """The model as an environment that starts from the dataset's real observations, and these observations.

    ``ends``: whether imagination stops where the model says that the world ended. Where the end is a success and the
    reward pays for staying there, it must not: a policy would learn to keep away from the end.

    Raises `SpecError` where the dataset's observations are not those of the model, `DataError` where nothing says what
    the reward is.
    """
    names = model.spec.observation
    check_startable(model.spec, dataset, reward)
    observation = {name: np.asarray(dataset.column(f"observation.{name}"), np.float32) for name in names}
    return as_env(model, observation, reward=reward, threshold=0.5 if ends else NEVER), observation


def check_startable(spec: EnvSpec, dataset: Dataset, reward: Reward | None = None) -> None:
    """Raise as `imagined_from` does where a world of this spec cannot start from the dataset's observations."""
    if reward is None and "next.reward" not in dataset.features:
        raise DataError("The dataset has no next.reward, so the world knows no reward; give imagined_from a reward.")
    # Only the observations are used, so the recorded actions need not fit.
    check_match("The world", spec, replace(dataset.spec(), action=spec.action))


def hypotheses(world: Imagined) -> Worlds:
    """The worlds to train in: one member of an ensemble at a time, any other model as it is."""
    return Hypotheses(world, Ensemble.draw) if isinstance(world.model, Ensemble) else Fixed(world)


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
