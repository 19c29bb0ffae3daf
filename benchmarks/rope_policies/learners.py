"""How policies are trained in a rope task: settings, the same for every task, and what a training may imagine."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from training_worlds import Gentle, Timed, Twin

from diorama.core import Trajectory
from diorama.envs.rope.tasks import TRAINING, RopeTask
from diorama.evaluate import run_episodes
from diorama.imagine import Through
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.config import FirstOrderConfig
from diorama.learn.first_order import train_first_order
from diorama.learn.ppo import train_ppo
from diorama.learn.ppo_config import PPOConfig
from diorama.learn.progress import JsonLines
from diorama.learn.worlds import Fixed
from diorama.policies import Actor, ActorConfig, Critic, Likeliest, RandomPolicy

GRADIENT_COST = 6
"""How many episodes one counts as that is played in the task and, with its derivative, in the gentler world."""
CHUNK = 5
"""Updates in one program; a training has a whole number of them, because one of another length is compiled anew."""
PPO = PPOConfig(worlds=16, minibatches=4, chunk=CHUNK)
FIRST_ORDER = FirstOrderConfig(worlds=4, entropy=5e-3, chunk=CHUNK)
ACTOR = ActorConfig("nano")
SHOWN = {"ppo": ("vertices", "velocities", "goal", "time"), "first-order": ("vertices", "goal", "time")}
"""What a policy sees. With velocities derivatives of an episode were larger still, in one training."""
LONGEST = 5
"""Decisions through which a derivative is taken, at most."""


@dataclass(frozen=True)
class Training:
    """A task, what is seen of it, how many episodes may be imagined, the seed of all that is drawn, and a folder."""

    task: RopeTask
    shown: tuple[str, ...]
    episodes: int
    seed: int
    folder: Path

    @property
    def decisions(self) -> int:
        """In an episode."""
        return self.task.task.config.decisions

    @property
    def world(self) -> Timed:
        """What is trained in."""
        return Timed(self.task, self.shown)

    @property
    def networks(self) -> tuple[Actor, Critic]:
        """Untrained."""
        spec = self.world.spec
        return Actor.build(ACTOR, spec, self.seed), Critic.build(ACTOR, spec, self.seed + 1000)

    @property
    def kept(self) -> dict:
        """Where reports and states go."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return {
            "progress": JsonLines(self.folder / "metrics.jsonl"),
            "checkpoints": Checkpoints(self.folder / "checkpoints", keep=2),
        }


def ppo(training: Training) -> tuple[Actor, int]:
    """Whole episodes in every update; the actor, and how many episodes were imagined."""
    updates = _whole(training.episodes // PPO.worlds)
    config = replace(PPO, updates=updates, length=training.decisions, episode=training.decisions, seed=training.seed)
    state = train_ppo(config, *training.networks, Fixed(training.world), **training.kept)
    return state.learned.actor.choosing(Likeliest()), updates * config.worlds


def first_order(training: Training) -> tuple[Actor, int]:
    """A part of an episode in every update, with a critic for what lies beyond."""
    whole = training.decisions
    horizon = max(part for part in range(1, LONGEST + 1) if whole % part == 0)
    each = GRADIENT_COST * FIRST_ORDER.worlds * horizon / whole
    measured = min(64, training.episodes // 4)
    updates = _whole(int((training.episodes - measured) / each))
    config = replace(FIRST_ORDER, updates=updates, horizon=horizon, episode=whole, seed=training.seed)
    play = run_episodes(training.task, RandomPolicy(training.task.spec), np.array(TRAINING[:measured]), whole)
    actor, critic = (network.measured(_rows(play)) for network in training.networks)
    twin = Twin(training.world, Gentle())
    state = train_first_order(config, actor, critic, Fixed(twin), Through(), **training.kept)
    return state.learned.actor.choosing(Likeliest()), measured + round(updates * each)


def _rows(play: Trajectory) -> dict[str, np.ndarray]:
    """Everything that was seen, in rows."""
    return {name: values.reshape(-1, values.shape[-1]) for name, values in play.observation.items()}


def _whole(updates: int) -> int:
    return max(1, updates // CHUNK) * CHUNK


LEARNERS: dict[str, Callable[[Training], tuple[Actor, int]]] = {"ppo": ppo, "first-order": first_order}
