"""One episode per seed, all to their end, in worlds of both kinds; comparisons only on the same seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, HostEnv, HostPolicy, Policy, field
from diorama.core.env import Observation, Scenario
from diorama.core.errors import ConfigError, SpecError
from diorama.envs.adapters import Hosted
from diorama.envs.check import check_env
from diorama.envs.teaching import Counter, PointMass
from diorama.evaluate import Evaluation, episode_return, evaluate, run_episodes
from diorama.policies import RandomPolicy

SPEC = EnvSpec("coin", {"state": ArraySpec((2,), names=("count", "heads"))}, ArraySpec((1,), low=-1.0, high=1.0), 1.0)
QUICK, LENGTH, SEEDS = 3, 25, np.arange(400)


class Coin(Env):
    """Heads with probability 1/2: the world ends in success at step 3. Tails: it runs on and never succeeds."""

    spec: EnvSpec = field(static=True, default=SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> Float[Array, " 2"]:
        return jnp.stack([jnp.zeros(()), jax.random.bernoulli(key).astype(jnp.float32)])

    def step(self, state: Float[Array, " 2"], action: Float[Array, " A"], key: PRNGKeyArray) -> Float[Array, " 2"]:
        return state.at[0].add(1.0)

    def observe(self, state: Float[Array, " 2"]) -> Observation:
        return {"state": state}

    def reward(
        self, state: Float[Array, " 2"], action: Float[Array, " A"], next_state: Float[Array, " 2"]
    ) -> Float[Array, ""]:
        return jnp.ones(())

    def terminal(self, state: Float[Array, " 2"]) -> Bool[Array, ""]:
        return (state[0] >= QUICK) & (state[1] > 0.5)


class HostCoin(HostEnv):
    """The same on the host."""

    spec = SPEC
    rewindable = True

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> np.ndarray:
        heads = [np.random.default_rng(seed).integers(2) for seed in seeds]
        return np.stack([np.zeros(len(seeds)), heads], axis=1).astype(np.float32)

    def step(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        return state + np.array([1, 0], np.float32)

    def observe(self, state: np.ndarray) -> dict[str, np.ndarray]:
        return {"state": state}

    def reward(self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray) -> np.ndarray:
        return np.ones(len(state))

    def terminal(self, state: np.ndarray) -> np.ndarray:
        return (state[:, 0] >= QUICK) & (state[:, 1] > 0.5)


class Still(HostPolicy):
    def init(self, spec: EnvSpec, seeds: np.ndarray) -> None:
        return None

    def act(self, memory: None, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, None]:
        return np.zeros((len(observation["state"]), 1), np.float32), None


METRICS = {"success": lambda trajectory: np.asarray(trajectory.end).any(-1), "return": episode_return}


@pytest.mark.parametrize("env", [Coin(), HostCoin()], ids=["jax", "host"])
def test_quick_finishers_do_not_bias_the_rate(env) -> None:
    evaluation, trajectory = evaluate(RandomPolicy(SPEC), env, seeds=SEEDS, length=LENGTH, metrics=METRICS)
    heads = trajectory.observation["state"][:, 0, 1] > 0.5
    np.testing.assert_array_equal(trajectory.mask.sum(-1), np.where(heads, QUICK, LENGTH))
    np.testing.assert_array_equal(evaluation.scores["success"], heads)
    np.testing.assert_array_equal(evaluation.scores["return"], np.where(heads, QUICK, LENGTH))
    estimate = evaluation.estimate("success")
    assert estimate.count == 400 and estimate.low <= 0.5 <= estimate.high and estimate.high - estimate.low < 0.1
    assert evaluation.seeds == tuple(range(400)) and evaluation.world == "coin"


def test_stopping_at_the_first_finished_episodes_would_over_count() -> None:
    """What the protocol forbids: 50 worlds that restart, and the first 50 episodes to finish."""
    env, rng, finished = HostCoin(), np.random.default_rng(0), []
    clock = np.zeros(50)
    heads = rng.integers(2, size=50)
    while len(finished) < 50:
        clock += 1
        over = np.where(heads > 0, clock >= QUICK, clock >= LENGTH)
        finished += heads[over].tolist()
        heads, clock = np.where(over, rng.integers(2, size=50), heads), np.where(over, 0, clock)
    assert np.mean(finished[:50]) > 0.85
    evaluation, _ = evaluate(Still(), env, seeds=np.arange(50), length=LENGTH, metrics=METRICS)
    estimate = evaluation.estimate("success")
    assert estimate.low <= 0.5 <= estimate.high


@pytest.mark.parametrize("env", [Coin(), HostCoin()], ids=["jax", "host"])
def test_an_episode_depends_on_its_seed_alone(env) -> None:
    policy = RandomPolicy(SPEC)
    many = run_episodes(env, policy, np.array([5, 9, 2, 7]), 6)
    few = run_episodes(env, policy, np.array([2, 5]), 6)
    for left, right in zip(jax.tree.leaves(many), jax.tree.leaves(few), strict=True):
        np.testing.assert_array_equal(left[[2, 0]], right)


def test_time_that_runs_out_is_no_end() -> None:
    trajectory = run_episodes(Counter(), RandomPolicy(Counter().spec), np.arange(3), 5)
    assert not trajectory.end.any() and trajectory.mask.all()
    np.testing.assert_array_equal(trajectory.observation["state"][..., 0], np.tile(np.arange(6.0), (3, 1)))
    np.testing.assert_array_equal(episode_return(trajectory), [10, 10, 10])


def test_scenarios_are_shared_or_one_for_each_world() -> None:
    policy = RandomPolicy(Counter().spec)
    each = run_episodes(Counter(), policy, np.arange(2), 6, {"limit": np.array([2.0, 4.0])})
    np.testing.assert_array_equal(each.mask.sum(-1), [2, 4])
    shared = run_episodes(Counter(), policy, np.arange(2), 6, {"limit": np.array(3.0)})
    np.testing.assert_array_equal(shared.mask.sum(-1), [3, 3])
    with pytest.raises(SpecError, match=r"Unknown scenario factors \['speed'\]"):
        run_episodes(Counter(), policy, np.arange(2), 6, {"speed": 1.0})


@pytest.mark.parametrize("env", [Coin(), HostCoin()], ids=["jax", "host"])
@pytest.mark.parametrize("seeds", [np.array([], np.int64), np.array([3, -1]), np.array([[1, 2]]), np.array([0.5])])
def test_seeds_that_are_none_are_refused(env, seeds) -> None:
    with pytest.raises(SpecError, match="Seeds must be a list of at least one integer from 0"):
        run_episodes(env, RandomPolicy(SPEC), seeds, 4)


def test_a_seed_that_would_wrap_around_is_refused_in_jax() -> None:
    with pytest.raises(SpecError, match="2\\^32 - 1"):
        run_episodes(Coin(), RandomPolicy(SPEC), np.array([2**32]), 4)


def test_no_episode_has_no_steps() -> None:
    for env in (Coin(), HostCoin()):
        with pytest.raises(SpecError, match="A length of 0 steps is no episode"):
            run_episodes(env, RandomPolicy(SPEC), np.arange(2), 0)


class HostLeaning(HostPolicy):
    """Pushes back towards the origin."""

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> None:
        return None

    def act(self, memory: None, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, None]:
        return np.clip(-0.5 * observation["position"], -1.0, 1.0), None


class Leaning(Policy):
    """The same in JAX."""

    def init(self, spec: EnvSpec) -> None:
        return None

    def act(self, memory: None, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], None]:
        return jnp.clip(-0.5 * observation["position"], -1.0, 1.0), None


def test_a_policy_on_the_host_acts_in_jax_as_one_in_jax_does() -> None:
    seeds, masses = np.array([3, 2**32 - 1, 8]), {"mass": np.array([0.5, 1.0, 2.0])}
    for scenario in (None, masses):
        hosted, inside = (run_episodes(PointMass(), one, seeds, 9, scenario) for one in (HostLeaning(), Leaning()))
        for name in ("action", "reward", "end", "mask"):
            np.testing.assert_allclose(getattr(hosted, name), getattr(inside, name), rtol=1e-4, atol=1e-6)
        for name, seen in inside.observation.items():
            np.testing.assert_allclose(hosted.observation[name], seen, rtol=1e-4, atol=1e-6)


def test_a_world_in_jax_keeps_the_contract_of_the_host() -> None:
    check_env(Hosted(PointMass()))


def test_chance_in_a_world_in_jax_is_the_same_alone_and_among_others() -> None:
    together = run_episodes(Coin(), Still(), np.arange(6), 5)
    alone = [run_episodes(Coin(), Still(), np.array([seed]), 5) for seed in range(6)]
    np.testing.assert_array_equal(together.mask, np.concatenate([one.mask for one in alone]))
    assert 0 < together.end.any(-1).sum() < 6  # The coin falls on both sides.
    with pytest.raises(SpecError, match="integer from 0"):
        run_episodes(Coin(), Still(), np.array([-1]), 3)


def evaluation(seeds: tuple[int, ...] = (1, 2, 3), world: str = "coin", scores: tuple = (1.0, 2.0, 3.5)) -> Evaluation:
    return Evaluation("policy", world, seeds, 5, {"return": np.array(scores)})


def test_comparisons_are_paired_by_seed() -> None:
    estimate = evaluation().versus(evaluation(scores=(0.5, 1.5, 3.0)), "return")
    assert (estimate.value, estimate.low, estimate.high, estimate.count) == (0.5, 0.5, 0.5, 3)


@pytest.mark.parametrize("other", [evaluation((1, 2, 4)), evaluation((3, 2, 1)), evaluation(world="dice")])
def test_comparisons_on_other_seeds_or_worlds_are_refused(other) -> None:
    with pytest.raises(ConfigError, match="in one world on the same seeds"):
        evaluation().versus(other, "return")


def test_the_record_is_plain_json() -> None:
    record = Evaluation("p", "w", (4, 5), 7, {"won": np.array([True, False])}).to_json()
    assert record["scores"] == {"won": [True, False]} and record["seeds"] == [4, 5]
    assert record["estimates"]["won"]["method"] == "Wilson" and record["estimates"]["won"]["value"] == 0.5


def test_progress_is_told_on_the_host() -> None:
    told: list[tuple[int, int, int]] = []
    run_episodes(HostCoin(), Still(), np.arange(6), 4, progress=lambda *seen: told.append(seen))
    assert [step for step, *_ in told] == [1, 2, 3, 4] and told[1][2] == 6 and told[3][2] < 6


def test_without_metrics_there_are_no_scores() -> None:
    found, trajectory = evaluate(RandomPolicy(PointMass().spec), PointMass(), seeds=np.array([7]), length=3, metrics={})
    assert found.scores == {} and trajectory.action.shape == (1, 3, 2)
