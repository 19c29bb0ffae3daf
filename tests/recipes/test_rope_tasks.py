"""Rope tasks by name: the solution by hand scores, the rules say of what is seen what the simulator says."""

import jax
import numpy as np
import pytest

from diorama.core.errors import ConfigError, SpecError
from diorama.envs.rope.tasks import TASKS
from diorama.evaluate import evaluate
from diorama.policies import check_policy
from diorama.recipes.rope_tasks import COST_LEFT, SUCCESS
from diorama.recipes.tasks import find_task

pytest.importorskip("numba")


def test_the_solution_by_hand_scores_and_the_rules_are_those_of_the_simulator() -> None:
    task = find_task("rope-slingshot")
    by_hand, seen = evaluate(
        task.actor("scripted"), task.env(), seeds=np.arange(3), length=task.steps(None), metrics=task.metrics
    )
    assert by_hand.scores[SUCCESS].all() and by_hand.scores[SUCCESS].dtype == bool
    assert (by_hand.scores[COST_LEFT] < 0.05).all() and (by_hand.scores["return"] > 0.2).all()
    cut = [jax.tree.map(lambda shown, part=part: shown[:, part], seen.observation) for part in np.s_[:-1, 1:]]
    np.testing.assert_allclose(task.rules.reward({}, cut[0], seen.action, cut[1]), seen.reward, atol=1e-5)
    assert not task.rules.ended({}, cut[1]).any()
    fast = cut[1] | {"velocities": np.full_like(cut[1]["velocities"], 60.0)}
    assert task.rules.ended({}, fast).all()
    np.testing.assert_allclose(task.rules.reward({}, cut[0], seen.action, fast), seen.reward - 1.0, atol=1e-5)
    with pytest.raises(SpecError, match=r"\['goal'\] are not seen"):
        task.rules.reward({}, {"vertices": cut[0]["vertices"]}, seen.action, fast)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_its_actors_and_its_time(name: str) -> None:
    task = find_task(f"rope-{name}")
    spec = task.env().spec
    assert (spec.name, task.steps(task.length)) == (f"rope-{name}", task.length)
    assert check_policy(task.actor("still"), spec).passed
    assert check_policy(task.actor("scripted"), spec).passed
    with pytest.raises(ConfigError, match=f"judged after {task.length} steps, not after 3; leave --length out"):
        task.steps(3)


def test_a_task_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="No environment 'rope-knot'.*rope-coiling"):
        find_task("rope-knot")
