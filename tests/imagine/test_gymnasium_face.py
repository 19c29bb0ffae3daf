"""Worlds handed out to Gymnasium: nothing off by one around the autoreset, and Gymnasium's own checks pass."""

import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from diorama.core import ArraySpec, DioramaError, Env, EnvSpec, HostEnv, SpecError, field
from diorama.envs import from_gymnasium, make, run_host
from diorama.envs.teaching import CartPole, Counter, Pendulum, PointMass
from diorama.imagine import Exact, as_env, rollout
from diorama.imagine.gymnasium_face import Normalised, to_gymnasium, to_gymnasium_single
from diorama.policies.constant import Constant

KEY = jax.random.key(0)
MODES = list(AutoresetMode)


def drive(worlds, steps, action=None):
    """Collect (observation seen, action, reward, end of step) tuples the way a learner does, for each world."""
    action = np.zeros(worlds.action_space.shape, np.float32) if action is None else action
    seen, _ = worlds.reset(seed=0)
    mode, over = worlds.metadata["autoreset_mode"], np.zeros(worlds.num_envs, bool)
    episodes = [[[]] for _ in range(worlds.num_envs)]
    for _ in range(steps):
        if mode is AutoresetMode.DISABLED and over.any():
            seen, _ = worlds.reset(options={"reset_mask": over})
            over = np.zeros(worlds.num_envs, bool)
        following, reward, terminated, truncated, info = worlds.step(action)
        for world in range(worlds.num_envs):
            if mode is AutoresetMode.NEXT_STEP and over[world]:
                assert reward[world] == 0.0 and not terminated[world] and not truncated[world]
                continue
            last = following[world]
            done = terminated[world] or truncated[world]
            if mode is AutoresetMode.SAME_STEP and done:
                assert info["_final_obs"][world]
                last = info["final_obs"][world]
            step = seen[world].copy(), last.copy(), reward[world], terminated[world], truncated[world]
            episodes[world][-1].append(step)
            if done:
                episodes[world].append([])
        over, seen = terminated | truncated, following
    return [[e for e in one if e and (e[-1][3] or e[-1][4])] for one in episodes]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [4.0, 1000.0])
def test_a_learner_sees_the_rollout_and_nothing_is_shifted(mode: AutoresetMode, limit: float) -> None:
    """Six steps; the counter ends at 4 or is truncated at 6. Every episode is the rollout's, step by step."""
    world, length = Counter(), 6
    scenario = world.spec.scenario.fix(limit=limit)
    start = world.reset(scenario, KEY)
    truth = rollout(world, Constant(jnp.zeros(1)), start, length=length, key=KEY)
    happened = int(truth.mask.sum())
    for episodes in drive(to_gymnasium(world, 3, length, scenario=scenario, autoreset_mode=mode), steps=40):
        assert len(episodes) >= 5
        for episode in episodes:
            before, after, reward, terminated, truncated = (np.array(column) for column in zip(*episode, strict=True))
            np.testing.assert_array_equal(before, truth.observation["state"][:happened])
            np.testing.assert_array_equal(after, truth.observation["state"][1 : happened + 1])
            np.testing.assert_array_equal(reward, truth.reward[:happened])
            np.testing.assert_array_equal(terminated, truth.end[:happened])
            assert truncated.any() == (not truth.end.any())
            assert reward.sum() == truth.reward.sum()


def test_gymnasiums_own_statistics_agree_with_the_rollout() -> None:
    worlds = RecordEpisodeStatistics(to_gymnasium(Counter(), 2, 5))
    worlds.reset(seed=0)
    returns = []
    for _ in range(13):
        *_, info = worlds.step(np.zeros((2, 1), np.float32))
        if "episode" in info:
            returns.append((info["episode"]["r"].tolist(), info["episode"]["l"].tolist()))
    assert returns == [([10.0, 10.0], [5, 5])] * 2


class Uneven(Env):
    """Ends after a number of steps that the key draws, so that the worlds of a batch end apart."""

    spec: EnvSpec = field(
        static=True,
        default=EnvSpec(
            "uneven", {"state": ArraySpec((2,), low=0.0, high=20.0)}, ArraySpec((1,), low=-1.0, high=1.0), 0.1
        ),
    )

    def reset(self, scenario, key):
        return jnp.stack([jnp.zeros(()), 1.0 + jax.random.randint(key, (), 0, 9).astype(jnp.float32)])

    def step(self, state, action, key):
        return state.at[0].add(1.0)

    def observe(self, state):
        return {"state": state}

    def reward(self, state, action, next_state):
        return next_state[0]

    def terminal(self, state):
        return state[0] >= state[1]


@pytest.mark.parametrize("mode", MODES)
def test_worlds_that_end_apart_keep_their_own_time(mode: AutoresetMode) -> None:
    worlds = drive(to_gymnasium(Uneven(), 4, 7, autoreset_mode=mode), steps=60)
    lengths = []
    for episode in (e for episodes in worlds for e in episodes):
        limit = int(episode[0][0][1])
        assert [step[0].tolist() for step in episode] == [[t, limit] for t in range(min(limit, 7))]
        assert sum(step[2] for step in episode) == sum(range(1, min(limit, 7) + 1))
        assert episode[-1][3] == (limit <= 7) and episode[-1][4] == (limit > 7)
        lengths.append(len(episode))
    assert len(set(lengths)) > 3


def test_every_mode_runs_the_same_episodes() -> None:
    def firsts(mode):
        return [[e[0][0][1] for e in one][:5] for one in drive(to_gymnasium(Uneven(), 3, 7, autoreset_mode=mode), 60)]

    assert firsts(MODES[0]) == firsts(MODES[1]) == firsts(MODES[2])


def test_the_seed_fixes_the_episodes_whatever_the_batch() -> None:
    def firsts(count, seed):
        worlds = to_gymnasium(Pendulum(), count, 3)
        seen = [worlds.reset(seed=seed)[0]]
        seen += [worlds.step(np.ones((count, 1), np.float32))[0] for _ in range(6)]
        return np.array(seen)

    np.testing.assert_array_equal(firsts(3, 7), firsts(3, 7))
    np.testing.assert_array_equal(firsts(3, 7), firsts(3, [7, 8, 9]))
    np.testing.assert_allclose(firsts(3, 7)[:, 1], firsts(1, 8)[:, 0], rtol=1e-6)
    assert not np.array_equal(firsts(3, 7)[0], firsts(3, 8)[0])
    one = to_gymnasium_single(Pendulum(), 3)
    np.testing.assert_allclose(one.reset(seed=8)[0], firsts(1, 8)[0, 0], rtol=1e-6)


def test_reset_without_a_seed_goes_on_with_the_next_episode() -> None:
    worlds = to_gymnasium(Pendulum(), 2, 3)
    first, second = worlds.reset(seed=1)[0], worlds.reset()[0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(worlds.reset(seed=1)[0], first)
    np.testing.assert_array_equal(worlds.reset()[0], second)
    fresh = to_gymnasium(Pendulum(), 2, 3).reset()[0]
    assert not np.array_equal(fresh, to_gymnasium(Pendulum(), 2, 3).reset()[0])


@pytest.mark.parametrize("name", ["counter", "pendulum", "point-mass", "cart-pole", "ball-wall"])
def test_gymnasiums_checker_passes_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(to_gymnasium_single(make(name), length=9, action=Normalised()))
    assert make(name).spec.action.bounded


def test_a_world_in_physical_units_passes_the_checker() -> None:
    check_env(to_gymnasium_single(Counter(), length=9))


def test_a_learned_world_is_a_vector_environment() -> None:
    world = Counter()
    model = Exact(world.spec, world, lambda seen: jnp.stack([seen["state"][0], jnp.asarray(3.0)]))
    worlds = drive(to_gymnasium(as_env(model, {"state": jnp.zeros((1, 1))}), 2, 9), steps=12)
    assert [len(episode) for episode in worlds[0]] == [3, 3, 3]
    assert sum(step[2] for step in worlds[1][0]) == 0 + 1 + 2


def test_normalised_actions_reach_the_bounds() -> None:
    world = CartPole()
    physical = to_gymnasium(world, 2, 9)
    scaled = to_gymnasium(world, 2, 9, action=Normalised())
    assert physical.single_action_space.high[0] == 10.0 and scaled.single_action_space.high[0] == 1.0
    physical.reset(seed=0), scaled.reset(seed=0)
    a = physical.step(np.array([[10.0], [-5.0]], np.float32))[0]
    b = scaled.step(np.array([[1.0], [-0.5]], np.float32))[0]
    np.testing.assert_array_equal(a, b)
    free = EnvSpec("free", world.spec.observation, ArraySpec((1,)), 0.1)
    with pytest.raises(SpecError, match="cannot be normalised"):
        Normalised().space(free.action)


def test_actions_are_not_clipped_in_silence() -> None:
    worlds = to_gymnasium(CartPole(), 2, 9)
    worlds.reset(seed=0)
    with pytest.raises(SpecError, match=r"entry 0 of world 1 is 10.5, its bounds are \[-10, 10\]"):
        worlds.step(np.array([[0.0], [10.5]], np.float32))
    with pytest.raises(SpecError, match="is nan"):
        worlds.step(np.array([[0.0], [np.nan]], np.float32))
    with pytest.raises(SpecError, match=r"shape \(2,\)"):
        worlds.step(np.zeros(2, np.float32))


def test_several_observations_are_a_dict() -> None:
    worlds = to_gymnasium(PointMass(), 2, 9)
    seen, _ = worlds.reset(seed=0)
    assert isinstance(worlds.single_observation_space, gymnasium.spaces.Dict)
    assert sorted(seen) == ["position", "velocity"] and seen in worlds.observation_space


def test_scenarios_are_fixed_or_drawn_for_each_episode() -> None:
    def drawn(seed):
        return {"limit": np.float32(2 + seed % 3)}

    worlds = drive(to_gymnasium(Counter(), 2, 50, scenario=drawn), steps=60)
    assert {len(episode) for one in worlds for episode in one} == {2, 3, 4}
    with pytest.raises(SpecError, match="Unknown scenario factors"):
        to_gymnasium(Counter(), 2, 50, scenario={"speed": 1.0})


def test_wrong_use_is_told_in_a_sentence() -> None:
    worlds = to_gymnasium(Counter(), 2, 1, autoreset_mode=AutoresetMode.DISABLED)
    still = np.zeros((2, 1), np.float32)
    with pytest.raises(DioramaError, match="Reset the vector environment"):
        worlds.step(still)
    worlds.reset(seed=0)
    worlds.step(still)
    with pytest.raises(DioramaError, match=r"Worlds \[0 1\] are over"):
        worlds.step(still)
    with pytest.raises(SpecError, match="reset_mask"):
        worlds.reset(options={"reset_mask": np.zeros(2, bool)})
    with pytest.raises(SpecError, match="3 seeds for 2 worlds"):
        worlds.reset(seed=[1, 2, 3])
    single = to_gymnasium_single(Counter(), 1)
    with pytest.raises(DioramaError, match="Reset the environment"):
        single.step(still[0])


class HostCounter(HostEnv):
    """The counter as a host world."""

    spec = EnvSpec("host counter", {"state": ArraySpec((1,))}, ArraySpec((1,), low=-1.0, high=1.0), 1.0)

    def __init__(self, rewindable: bool) -> None:
        self.rewindable = rewindable

    def reset(self, seeds, scenario):
        return np.zeros(len(seeds), np.float32)

    def step(self, state, action):
        return state + 1

    def observe(self, state):
        return {"state": state[:, None].copy()}

    def reward(self, state, action, next_state):
        return state.copy()

    def terminal(self, state):
        return state >= 4


@pytest.mark.parametrize("mode", MODES)
def test_a_host_world_is_handed_out_too(mode: AutoresetMode) -> None:
    for episodes in drive(to_gymnasium(HostCounter(True), 2, 9, autoreset_mode=mode), steps=22):
        assert [[step[2] for step in episode] for episode in episodes][:4] == [[0, 1, 2, 3]] * 4
    check_env(to_gymnasium_single(HostCounter(False), 9))
    for episodes in drive(to_gymnasium(lambda: HostCounter(False), 2, 9, autoreset_mode=mode), steps=22):
        assert [[step[2] for step in episode] for episode in episodes][:4] == [[0, 1, 2, 3]] * 4
    with pytest.raises(SpecError, match="cannot be rewound"):
        to_gymnasium(HostCounter(False), 2, 9)
    with pytest.raises(SpecError, match="hand out what it was made from"):
        to_gymnasium_single(from_gymnasium("Pendulum-v1"), 9)


@pytest.mark.parametrize("mode", MODES)
def test_there_and_back_again(mode: AutoresetMode) -> None:
    """Our world as a vector environment, that as a host world, and the one loop gives the rollout."""
    world = Counter()
    scenario = world.spec.scenario.fix(limit=4)
    vector = to_gymnasium(world, 2, 9, scenario=scenario, autoreset_mode=mode)
    trajectory = run_host(from_gymnasium(vector), Constant(jnp.zeros(1)), [3, 5], length=7)
    truth = rollout(world, Constant(jnp.zeros(1)), world.reset(scenario, KEY), length=7, key=KEY)
    for name in ("reward", "end", "mask"):
        np.testing.assert_array_equal(getattr(trajectory, name), np.stack([getattr(truth, name)] * 2))
    np.testing.assert_array_equal(trajectory.observation["state"][0], truth.observation["state"])
