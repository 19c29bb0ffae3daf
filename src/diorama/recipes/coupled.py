"""Coupled global and local worlds on any task: learn both, train a policy between them, deploy it, patch, go on.

Source: arXiv 2602.06219. The global world is rolled out and never differentiated; the local one lends its derivatives
(`Decoupled`), and may be refreshed on what the global one shows. What the deployed policy met in reality is added to
the data, since a policy goes where play did not, and both worlds go on learning from all of it.

Round k leaves ``world-k``, ``local-k`` and ``policy-k``; those of the last round are ``world``, ``local``, ``policy``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from diorama.core import WorldModel
from diorama.data import Dataset
from diorama.imagine.world import Reward
from diorama.learn import Checkpoints, train_first_order
from diorama.policies import Actor, Critic, Likeliest, Sampled
from diorama.policies.latent import LatentPolicy
from diorama.recipes.collecting import collect
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.loop import POLICY, WORLD, Watch, fit_world, recorded
from diorama.recipes.pairs import Pair, pair_of
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.stage_clock import StageClock
from diorama.recipes.tasks import Task

Stage = Callable[[str, int, int], None]
"""Told ``(name, done, total)``."""
LOCAL = "local"
_SEEDS_OF_A_RUN, _FIRST_PATCH, _SEEDS_OF_A_PATCH = 1_000_000, 500_000, 10_000


class Coupled(NamedTuple):
    """What a run ends with: the policy, and the two worlds that it was trained between."""

    actor: Actor | LatentPolicy
    world: WorldModel
    local: WorldModel


def run_coupled(
    task: Task,
    config: CoupledConfig,
    run: RunFolder,
    reward: Reward | None,
    stage: Stage,
    watch: Watch,
    clock: StageClock,
    *,
    images: str = "none",
) -> Coupled:
    """All rounds; the same call continues an interrupted run.

    ``reward``: analytic, or None for the models' heads. ``images``: how pictures are stored, see `collect`.
    """
    job = _Job(task, config, run, reward, stage, watch, images)
    reached = None
    for number in range(config.rounds):
        reached = job.round(number, reached, clock)
    return Coupled(reached.pair.policy(reached.actor).choosing(Likeliest()), reached.world, reached.local)


def named(what: str, config: CoupledConfig, number: int) -> str:
    """The artifact folder of a round: that of the last one has the plain name."""
    return what if number == config.patches else f"{what}-{number}"


class _Reached(NamedTuple):
    """Where a round ended."""

    actor: Actor
    critics: tuple[Critic, ...]
    world: WorldModel
    local: WorldModel
    pair: Pair


class _Job(NamedTuple):
    task: Task
    config: CoupledConfig
    run: RunFolder
    reward: Reward | None
    stage: Stage
    watch: Watch
    images: str = "none"

    def round(self, number: int, before: _Reached | None, clock: StageClock) -> _Reached:
        """Gather data, fit both worlds to all of it, and train between them, from where the last round ended."""
        dataset = clock("collect", lambda: self._gather(number, before))
        world = clock("fit", lambda: self._fit(dataset, WORLD, number, before and before.world))
        local = clock("fit", lambda: self._fit(dataset, LOCAL, number, before and before.local))
        pair = pair_of(world, local, dataset, self.reward, ends=self.config.ends)
        actor, critics = clock("train", lambda: self._train(pair, number, before, dataset))
        return _Reached(actor, critics, world, local, pair)

    def _gather(self, number: int, before: _Reached | None) -> Dataset:
        """The data of this round: play, and after it the episodes of the last round's policy in reality."""
        config, place = self.config, self.run.path / "data"
        first = config.seed * _SEEDS_OF_A_RUN
        if before is None:
            kind, episodes = config.play
            seeds, told = range(first, first + episodes), self._told("collect")
            return collect(self.task, kind, seeds, place, images=self.images, progress=told)
        begin = first + _FIRST_PATCH + number * _SEEDS_OF_A_PATCH
        middle, end = begin + config.patch_episodes // 2, begin + config.patch_episodes
        told = self._told(f"deploy {number} of {config.patches}")
        for name, choice, seeds in (
            (f"policy {number - 1}", Likeliest(), range(begin, middle)),
            (f"policy {number - 1}, exploring", Sampled(), range(middle, end)),
        ):
            policy = before.pair.policy(before.actor).choosing(choice)
            dataset = collect(self.task, name, seeds, place, policy=policy, images=self.images, progress=told)
        return dataset

    def _fit(self, dataset: Dataset, what: str, number: int, begin: WorldModel | None) -> WorldModel:
        return fit_round(self.config, self.run, dataset, what, number, begin, self.watch)

    def _train(
        self, pair: Pair, number: int, before: _Reached | None, dataset: Dataset
    ) -> tuple[Actor, tuple[Critic, ...]]:
        learners = fresh_learners(self.config, pair) if before is None else (before.actor, before.critics)
        return train_round(self.config, self.run, pair, number, learners, self.watch, dataset)

    def _told(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: self.stage(name, done, total)


def fit_round(
    config: CoupledConfig,
    run: RunFolder,
    dataset: Dataset,
    what: str,
    number: int,
    begin: WorldModel | None,
    watch: Watch,
) -> WorldModel:
    """The world or the local world (``what``) of a round: fitted to the data so far, from ``begin``."""
    settings = config.world if what == WORLD else config.local
    if number:
        settings = config.refitted(settings)
    settings = replace(settings, fit=replace(settings.fit, seed=settings.fit.seed + number))
    later = [config.play[1] + config.patch_episodes * k for k in range(number)]
    return fit_world(run, dataset, settings, watch, name=named(what, config, number), begin=begin, later=later)


def train_round(
    config: CoupledConfig,
    run: RunFolder,
    pair: Pair,
    number: int,
    learners: tuple[Actor, tuple[Critic, ...]],
    watch: Watch,
    dataset: Dataset,
) -> tuple[Actor, tuple[Critic, ...]]:
    """One round of training, from these learners; the round's policy is saved, and what learned is returned.

    ``dataset``: the one that the worlds of the pair start from.
    """
    name, train = named(POLICY, config, number), config.training(number)
    stage = "train" if name == POLICY else f"train-{number}"
    state = train_first_order(
        train,
        *learners,
        pair.worlds,
        pair.gradient,
        progress=recorded(run, watch),
        checkpoints=Checkpoints(run.path / "checkpoints" / stage, keep=2),
        stage=stage,
        visit=pair.visitor(run, name, train, dataset),
    )
    if not run.finished(stage):
        pair.keep(run.path / name, state.learned.actor.choosing(Likeliest()), config)
        run.finish(stage, {"updates": int(state.cursor), "samples": train.updates * train.worlds * train.horizon})
    return state.learned.actor, state.learned.critics.each


def fresh_learners(config: CoupledConfig, pair: Pair) -> tuple[Actor, tuple[Critic, ...]]:
    """An untrained actor and its critics, normalised by the real observations."""
    policy, spec = config.policy, pair.imagined.spec
    actor = Actor.build(policy.actor, spec, policy.seed).measured(pair.observation)
    critics = (Critic.build(policy.actor, spec, policy.seed + 1 + k) for k in range(config.critics))
    return actor, tuple(critic.measured(pair.observation) for critic in critics)
