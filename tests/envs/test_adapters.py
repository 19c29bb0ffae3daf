"""`run_host` and the Gymnasium adapter: the same time, the same seeds, the same words for the same faults."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from diorama.core import (
    ArraySpec,
    ConformanceError,
    DioramaError,
    EnvSpec,
    Factor,
    HostEnv,
    HostPolicy,
    Policy,
    SpecError,
)
from diorama.envs import from_gymnasium, run_host
from diorama.envs.adapters import check_actions
from diorama.policies.constant import Constant

PERIOD = 0.1


class Count(gymnasium.Env):
    """Observes and rewards its count; ends at ``limit`` (a reset option), which depends on the seed by default."""

    metadata = {"render_modes": []}
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.limit = 0, (options or {}).get("limit", 3 + (seed or 0))
        return np.array([0.0]), {}

    def step(self, action):
        self.count += 1
        assert self.count <= self.limit, "stepped after its end"
        return np.array([float(self.count)]), float(self.count), self.count >= self.limit, False, {}


class Camera(gymnasium.Env):
    """Two named observations."""

    metadata = {"render_fps": 20}
    observation_space = spaces.Dict(
        {
            "eye": spaces.Box(0, 255, (4, 4, 3), np.uint8),
            "arm": spaces.Box(np.zeros(2), np.ones(2) * [1, 2], (2,), float),
        }
    )
    action_space = spaces.Discrete(3, start=5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._see(0), {}

    def step(self, action):
        return self._see(int(action)), float(action), False, False, {}

    def _see(self, action):
        return {"eye": np.full((4, 4, 3), action, np.uint8), "arm": np.array([0.5, 1.5])}


class Wander(Policy):
    """Random actions with a memory: where it is depends on the key and on every step before."""

    def init(self, spec):
        return jnp.zeros(())

    def act(self, memory, observation, key):
        memory = 0.5 * memory + jax.random.uniform(key, (), minval=-0.5, maxval=0.5)
        return jnp.clip(jnp.stack([memory, -memory]), -1.0, 1.0), memory


class Scripted(HostPolicy):
    """Row t of a table, whatever is seen."""

    def __init__(self, table) -> None:
        self.table = np.asarray(table, np.float32)

    def init(self, spec, seeds):
        return 0

    def act(self, memory, observation):
        count = len(next(iter(observation.values())))
        return np.stack([self.table[memory]] * count), memory + 1


def count_world(**kwargs):
    return from_gymnasium(Count, control_period=PERIOD, **kwargs)


def test_time_is_aligned_and_worlds_stop_at_their_own_end() -> None:
    trajectory = run_host(count_world(), Wander(), [0, 2], length=7)
    np.testing.assert_array_equal(
        trajectory.observation["state"][..., 0], [[0, 1, 2, 3, 3, 3, 3, 3], [0, 1, 2, 3, 4, 5, 5, 5]]
    )
    np.testing.assert_array_equal(trajectory.reward, [[1, 2, 3, 0, 0, 0, 0], [1, 2, 3, 4, 5, 0, 0]])
    np.testing.assert_array_equal(trajectory.end.sum(1), 1)
    np.testing.assert_array_equal(trajectory.mask.sum(1), [3, 5])
    assert trajectory.end[0, 2] and trajectory.end[1, 4]
    np.testing.assert_array_equal(trajectory.action[0, 3:], trajectory.action[0, [2]].repeat(4, 0))


class Restless(HostEnv):
    """Goes on counting, rewarding and ending after it ended at three."""

    spec = EnvSpec("restless", {"state": ArraySpec((1,))}, ArraySpec((2,), low=-1.0, high=1.0), 1.0)
    rewindable = True

    def reset(self, seeds, scenario):
        return np.asarray(seeds, np.float32)

    def step(self, state, action):
        return state + 1

    def observe(self, state):
        return {"state": state[:, None]}

    def reward(self, state, action, next_state):
        return next_state

    def terminal(self, state):
        return state >= 3


def test_what_a_world_does_after_its_end_is_not_recorded() -> None:
    trajectory = run_host(Restless(), Wander(), [0, 2, 3], length=4)
    np.testing.assert_array_equal(trajectory.reward, [[1, 2, 3, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(trajectory.mask, [[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(trajectory.end, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(trajectory.observation["state"][..., 0], [[0, 1, 2, 3, 3], [2, 3, 3, 3, 3], [3] * 5])


def test_length_is_a_truncation() -> None:
    trajectory = run_host(count_world(), Wander(), [5], length=4)
    assert not trajectory.end.any() and trajectory.mask.all()


def test_an_episode_depends_on_its_seed_alone() -> None:
    seeds = [4, 0, 2**40 + 4]
    together = run_host(from_gymnasium("MountainCarContinuous-v0"), Nudge(), seeds, length=12)
    for world, seed in enumerate(seeds):
        alone = run_host(from_gymnasium("MountainCarContinuous-v0"), Nudge(), [seed], length=12)
        pairs = zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours[world], theirs[0])
    assert not np.array_equal(together.action[0], together.action[2])


class Nudge(Policy):
    """Random pushes, one by one."""

    def init(self, spec):
        return None

    def act(self, memory, observation, key):
        return jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0), None


def test_an_action_out_of_its_bounds_is_named() -> None:
    spec = ArraySpec((2,), "N", (-1.0, -2.0), (1.0, 2.0), names=("left", "right"))
    with pytest.raises(SpecError, match=r"entry 1 \(right\) of world 1 is -2.5, its bounds are \[-2, 2\] N"):
        check_actions(spec, np.array([[0.0, 2.0], [1.0, -2.5]]))
    with pytest.raises(SpecError, match=r"entry 0 \(left\) of world 0 is nan"):
        check_actions(spec, np.array([[np.nan, 0.0]]))
    with pytest.raises(SpecError, match=r"shape \(3,\)"):
        check_actions(spec, np.zeros(3))
    np.testing.assert_array_equal(check_actions(spec, np.array([[1.0 + 1e-6, 0.0]])), [[1.0, 0.0]])
    with pytest.raises(SpecError, match="entry 0 of world 0 is 3"):
        run_host(count_world(), Constant(jnp.array([3.0, 0.0])), [1], length=2)


def test_worlds_that_are_over_may_be_given_nonsense() -> None:
    table = [[0, 0]] * 3 + [[9, 9]] * 2
    assert run_host(count_world(), Scripted(table), [0], length=5).mask.sum() == 3
    with pytest.raises(SpecError, match="entry 0 of world 1 is 9"):
        run_host(count_world(), Scripted(table), [0, 1], length=5)


def test_an_interrupted_run_leaves_nothing_half_done() -> None:
    world, policy = count_world(), Wander()

    def interrupt(done, length, running):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_host(world, policy, [0, 2], length=7, progress=interrupt)
    again, fresh = (run_host(w, policy, [0, 2], length=7) for w in (world, count_world()))
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(fresh), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_progress_counts_steps_and_running_worlds() -> None:
    told = []
    run_host(count_world(), Wander(), [0, 2], length=7, progress=lambda *told_now: told.append(told_now))
    assert told == [(1, 7, 2), (2, 7, 2), (3, 7, 1), (4, 7, 1), (5, 7, 0)]


def test_a_scenario_reaches_the_reset_options_one_by_one() -> None:
    world = count_world(factors={"limit": Factor(4.0, 1.0, 9.0)})
    trajectory = run_host(world, Wander(), [0, 0], length=9, scenario={"limit": np.array([2.0, 6.0])})
    np.testing.assert_array_equal(trajectory.mask.sum(1), [2, 6])
    np.testing.assert_array_equal(trajectory.scenario["limit"], [2.0, 6.0])
    np.testing.assert_array_equal(run_host(world, Wander(), [0], length=9).mask.sum(1), 4)
    with pytest.raises(SpecError, match="Unknown scenario factors"):
        run_host(world, Wander(), [0], length=9, scenario={"mass": 1.0})
    with pytest.raises(SpecError, match="leaves its bounds"):
        run_host(world, Wander(), [0], length=9, scenario={"limit": 10.0})
    with pytest.raises(SpecError, match=r"shape \(3,\); give \(\) or \(1,\)"):
        run_host(world, Wander(), [0], length=9, scenario={"limit": np.ones(3)})


@pytest.mark.parametrize("seeds", [[], [-1], np.array([0.5])])
def test_seeds_that_are_none_are_refused(seeds) -> None:
    with pytest.raises(SpecError, match="Seeds must be"):
        run_host(count_world(), Wander(), seeds, length=2)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_autoreset_mode_gives_the_same_trajectory(mode: AutoresetMode) -> None:
    vector = from_gymnasium(SyncVectorEnv([Count] * 3, autoreset_mode=mode), control_period=PERIOD)
    one_by_one = run_host(count_world(), Wander(), [0, 2, 1], length=15)
    for _ in range(2):
        trajectory = run_host(vector, Wander(), [0, 2, 1], length=15)
        for ours, theirs in zip(jax.tree.leaves(trajectory), jax.tree.leaves(one_by_one), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(SpecError, match="has 3 worlds, not 2"):
        run_host(vector, Wander(), [0, 1], length=2)


def test_a_vector_world_must_say_how_it_resets() -> None:
    vector = SyncVectorEnv([Count])
    vector.metadata = {}
    with pytest.raises(SpecError, match="autoreset_mode None"):
        from_gymnasium(vector, control_period=PERIOD)


def test_a_same_step_world_must_give_its_last_observation() -> None:
    class Forgetful(SyncVectorEnv):
        def step(self, actions):
            *rest, info = super().step(actions)
            return *rest, {}

    vector = from_gymnasium(Forgetful([Count], autoreset_mode=AutoresetMode.SAME_STEP), control_period=PERIOD)
    with pytest.raises(ConformanceError, match="final_obs"):
        run_host(vector, Wander(), [0], length=5)


def test_a_time_limit_stops_the_mask_without_an_end() -> None:
    world = from_gymnasium("Pendulum-v1", max_episode_steps=4)
    trajectory = run_host(world, Constant(jnp.ones(1)), [0, 1], length=6)
    np.testing.assert_array_equal(trajectory.mask, [[1, 1, 1, 1, 0, 0]] * 2)
    assert not trajectory.end.any()
    np.testing.assert_array_equal(trajectory.reward[:, 4:], 0.0)
    assert world.spec.control_period == 0.05 and world.spec.name == "Pendulum-v1"


def test_named_observations_and_discrete_actions() -> None:
    world = from_gymnasium(Camera, units={"arm": "m", "action": "1"})
    assert world.spec.control_period == 0.05
    assert world.spec.observation["eye"] == ArraySpec((4, 4, 3), "1", 0.0, 255.0, "uint8")
    assert world.spec.observation["arm"] == ArraySpec((2,), "m", (0.0, 0.0), (1.0, 2.0))
    assert world.spec.action == ArraySpec((3,), "1", 0.0, 1.0)
    trajectory = run_host(world, Scripted([[0.1, 0.9, 0.3], [1, 1, 0]]), [0], length=2)
    np.testing.assert_array_equal(trajectory.reward, [[6, 5]])
    assert trajectory.observation["eye"].dtype == np.uint8 and trajectory.observation["arm"].dtype == np.float32


def test_a_plain_image_is_called_pixels() -> None:
    class Picture(Camera):
        observation_space = Camera.observation_space["eye"]

        def _see(self, action):
            return super()._see(action)["eye"]

    assert list(from_gymnasium(Picture()).spec.observation) == ["pixels"]


def test_a_matrix_of_actions_is_flattened() -> None:
    class Matrix(Count):
        action_space = spaces.Box(-1.0, 1.0, (2, 3), np.float32)

        def step(self, action):
            assert action.shape == (2, 3)
            return super().step(action)

    world = from_gymnasium(Matrix, control_period=PERIOD)
    assert world.spec.action.shape == (6,)
    assert run_host(world, Scripted(np.zeros((3, 6))), [0], length=3).end.any()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"action_space": spaces.MultiDiscrete([2, 2])}, "takes a float Box or Discrete"),
        ({"observation_space": spaces.Discrete(4)}, "'state' is a Discrete, not a Box"),
        ({"metadata": {}}, "give from_gymnasium its control_period"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(parts: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_gymnasium(type("Odd", (Count,), parts))


def test_one_object_is_one_world_and_cannot_go_back() -> None:
    world = from_gymnasium(Count(), control_period=PERIOD)
    assert run_host(world, Wander(), [0], length=5).mask.sum() == 3
    with pytest.raises(SpecError, match="cannot be 2 worlds"):
        run_host(world, Wander(), [0, 1], length=5)
    old = world.reset(np.array([0]), {})
    world.step(old, np.zeros((1, 2), np.float32))
    with pytest.raises(DioramaError, match="cannot go back"):
        world.step(old, np.zeros((1, 2), np.float32))


class Broken(gymnasium.Env):
    """Shows what it was told to from its second step on."""

    metadata = {"render_fps": 10}
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, shown, reward=0.0):
        self.shown, self.given = np.asarray(shown, np.float32), reward

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        late = self.count > 1
        return (self.shown if late else np.zeros(2, np.float32)), (self.given if late else 0.0), False, False, {}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"shown": [0.0, np.nan]}, "Observation 'state' of 'Broken' is NaN or infinite in world 0 after 2 steps"),
        ({"shown": [0.0, 0.0], "reward": np.inf}, "The reward of 'Broken' is NaN or infinite in world 0 after 2 steps"),
        ({"shown": [0.0, 0.0, 0.0]}, r"has shape \(3,\), its space says \(2,\)"),
    ],
)
def test_a_world_that_breaks_its_own_spec_is_named_and_not_the_policy(parts: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        run_host(from_gymnasium(lambda: Broken(**parts)), Constant(jnp.zeros(2)), [0], 5)
