"""The rope tasks of `diorama.envs.rope.tasks` as tasks of the command line."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from diorama.envs.registered import make
from diorama.envs.rope.tasks import TASKS, ByHand
from diorama.envs.rope.tasks.judging import cost_left, fallen, succeeded, torn
from diorama.envs.rope.tasks.task import Task as Judge
from diorama.evaluate import episode_return
from diorama.imagine.host_world import Rules
from diorama.policies import Constant
from diorama.recipes.tasks import Task

PREFIX = "rope-"
SUCCESS = "success"
COST_LEFT = "cost left [m]"


def rope_task(name: str) -> Task:
    """The task ``rope-NAME``. It is judged after as many decisions as it allows, neither earlier nor later."""
    judge = TASKS[name.removeprefix(PREFIX)]()
    return Task(
        name,
        lambda: make(name),
        judge.config.decisions,
        {SUCCESS: partial(succeeded, judge), "return": episode_return, COST_LEFT: partial(cost_left, judge)},
        SUCCESS,
        {"scripted": lambda: ByHand(judge), "still": lambda: Constant(jnp.zeros(3 * len(judge.config.grips)))},
        SUCCESS,
        rules=_rules(judge),
        timed=True,
    )


def _rules(judge: Judge) -> Rules:
    """Of what is imagined: the reward is by how much the cost fell, and a rope that is torn is the end."""

    def reward(scenario: Mapping[str, Any], before: Any, action: np.ndarray, after: Any) -> np.ndarray:
        return fallen(judge, before, after)

    def ended(scenario: Mapping[str, Any], after: Any) -> np.ndarray:
        return torn(after)

    return Rules(reward, ended)
