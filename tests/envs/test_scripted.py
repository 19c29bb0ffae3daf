"""The scripted Push-T policies: the demonstrator solves the task through both interfaces, play tours the table."""

import numpy as np
import pytest

pytest.importorskip("pymunk", reason="Push-T needs the extra 'pusht'")

from diorama.core.errors import SpecError
from diorama.core.host_policy import HostPolicy
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.envs.adapters.host import run_host
from diorama.envs.pusht.env import PushT
from diorama.envs.pusht.interface import Absolute, Relative
from diorama.envs.pusht.physics import PushTPhysics
from diorama.envs.pusht.scripted import ScriptedDemonstrator, ScriptedPlay
from diorama.envs.pusht.scripted_plan import pose_error
from diorama.envs.pusht.scripted_pushes import (
    AGENT_RADIUS,
    CENTRE_OF_GRAVITY,
    compose,
    gravity_pose,
    push_table,
    rotate,
    signed_distance,
)
from diorama.envs.pusht.scripted_roadmap import relax, roadmap, ways
from diorama.envs.pusht.scripted_tracking import action_towards, controls_of, next_velocity


class _Uniform(HostPolicy):
    """Uniformly random actions, for comparison."""

    def init(self, spec, seeds):
        self.bounds = spec.action.bounds()
        return [np.random.default_rng(seed) for seed in seeds]

    def act(self, memory, observation):
        return np.stack([rng.uniform(*self.bounds) for rng in memory]).astype(np.float32), memory


@pytest.mark.parametrize(("interface", "length", "first"), [(Relative(), 150, 100_000), (Absolute(), 300, 3_000)])
def test_demonstrations_succeed(interface, length, first):
    # An expert of 60 % fails this with probability P[Binomial(10, 0.6) < 2] = 0.002; random actions never get there.
    trajectory = run_host(PushT(interface), ScriptedDemonstrator(), np.arange(first, first + 10), length)
    assert trajectory.end.any(1).sum() >= 2
    low, high = interface.action.bounds()
    assert (trajectory.action >= low).all() and (trajectory.action <= high).all()


def test_an_episode_depends_on_its_seed_alone():
    env, seeds = PushT(Relative()), np.array([100_003, 5, 100_007])
    for policy in (ScriptedDemonstrator(), ScriptedPlay()):
        batch = run_host(env, policy, seeds, 25)
        again = run_host(env, policy, seeds, 25)
        alone = run_host(env, policy, seeds[1:2], 25)
        assert np.array_equal(batch.action, again.action)
        assert np.array_equal(batch.action[1], alone.action[0])
        assert not np.array_equal(batch.action[0], batch.action[2])


@pytest.mark.parametrize("policy", [ScriptedDemonstrator(), ScriptedPlay()])
def test_an_old_memory_can_be_used_again(policy):
    env = PushT(Relative())
    state = env.reset(np.array([1, 2]), env.spec.scenario.default())
    memory = policy.init(env.spec, np.array([1, 2]))
    first, later = policy.act(memory, env.observe(state))
    policy.act(later, env.observe(env.step(state, first)))
    second, _ = policy.act(memory, env.observe(state))
    assert np.array_equal(first, second) and first.dtype == np.float32


def test_different_seeds_demonstrate_differently_from_the_same_start():
    env, policy = PushT(Relative()), ScriptedDemonstrator()
    observation = env.observe(env.reset(np.full(6, 100_004), env.spec.scenario.default()))
    memory = policy.init(env.spec, np.arange(6))
    _, memory = policy.act(memory, observation)
    assert len({(one.stroke.place, one.stroke.length, one.stroke.limit) for one in memory}) == 6


def test_features_serve_as_well_as_the_state():
    policy, seeds = ScriptedDemonstrator(), np.array([100_000])
    features = run_host(PushT(Relative(), ("features",)), policy, seeds, 150)
    assert features.end.any()


def test_play_moves_the_block_and_reaches_all_sides():
    env, seeds = PushT(Relative()), np.arange(100_000, 100_010)
    play = run_host(env, ScriptedPlay(), seeds, 150)
    chance = run_host(env, _Uniform(), seeds, 150)
    state = play.observation["state"].reshape(-1, 5)
    local = rotate(state[:, :2] - state[:, 2:4], -state[:, 4].astype(np.float64))
    local = local[signed_distance(local) < AGENT_RADIUS + 3.0] - CENTRE_OF_GRAVITY
    sectors = np.histogram(np.arctan2(local[:, 1], local[:, 0]), bins=12, range=(-np.pi, np.pi))[0]
    assert (sectors > 0).sum() >= 11
    assert _moving(play) > 0.25 > 2 * _moving(chance)
    assert not chance.end.any()
    assert play.reward.max(1).mean() > chance.reward.max(1).mean() + 0.1


def _moving(trajectory):
    """Share of the steps in which the block moves."""
    block = trajectory.observation["state"][..., 2:4]
    return (np.abs(np.diff(block, axis=1)).sum(-1) > 0.5)[trajectory.mask].mean()


def test_the_table_of_pushes_agrees_with_chipmunk():
    table, pose = push_table(), np.array([250.0, 260.0, 0.7])
    origin = pose[:2] - rotate(CENTRE_OF_GRAVITY, pose[2])
    contacts = np.arange(0, len(table.start), 5)
    start = pose[:2] + rotate(table.start[contacts] - CENTRE_OF_GRAVITY, pose[2])
    direction = rotate(table.direction[contacts, 0], pose[2])
    physics = PushTPhysics(len(contacts))
    physics.set_pose(start, origin, pose[2:3])
    length = 40
    share = np.minimum(np.arange(1, 301) / 200.0, 1.0)[None, :, None] * length
    physics.step(start[:, None] + direction[:, None] * share)
    seen = np.stack([gravity_pose(np.append(*row)) for row in zip(physics.block_xy, physics.block_angle, strict=True)])
    told = compose(pose, table.motion[contacts, 0, length - 1])
    error = np.concatenate([pose_error(one[None], other) for one, other in zip(seen, told, strict=True)])
    assert error.max() < 2.5
    assert pose_error(seen, pose).min() > 10.0


def test_ways_keep_clear_of_the_block():
    pose, agent = np.array([256.0, 256.0, 0.4]), np.array([256.0, 60.0])
    found = ways(pose, agent)
    assert np.isfinite(found.length).all()
    assert (found.length >= np.linalg.norm(found.place - agent, axis=1) - 1e-6).all()
    farthest = int(found.length.argmax())
    path = np.linspace(agent, found.waypoint(farthest), 100)
    local = rotate(path - pose[:2], -pose[2]) + CENTRE_OF_GRAVITY
    assert signed_distance(local).min() > AGENT_RADIUS


def test_places_beyond_the_walls_are_unreachable():
    found = ways(np.array([256.0, 470.0, 0.0]), np.array([100.0, 100.0]))
    outside = ((found.place < 0.0) | (found.place > 512.0)).any(1)
    assert outside.any() and np.isinf(found.length[outside]).all() and np.isfinite(found.length).any()


def test_relax_finds_the_shorter_of_two_ways():
    way = np.array([[0.0, 1.0, 9.0], [1.0, 0.0, 1.0], [9.0, 1.0, 0.0]])
    length, predecessor = relax(np.array([1.0, np.inf, np.inf]), way)
    assert np.array_equal(length, [1.0, 2.0, 3.0]) and np.array_equal(predecessor, [-1, 0, 1])
    assert np.array_equal(roadmap().way, roadmap().way.T)


@pytest.mark.parametrize("interface", [Relative(), Absolute()])
def test_tracking_arrives_without_overshoot_and_knows_the_velocity(interface):
    env, goal = PushT(interface), np.array([400.0, 120.0])
    controls = controls_of(env.spec)
    state = env.reset_to(np.array([[100.0, 100.0, 250.0, 400.0, 0.0]]), env.spec.scenario.default())
    velocity = np.zeros(2)
    for _ in range(40):
        place = state.agent_xy[0]
        action = action_towards(controls, place, velocity, goal, np.inf)
        velocity = next_velocity(controls, place, velocity, action)
        state = env.step(state, action[None])
        assert np.allclose(velocity, state.agent_velocity[0], atol=1e-6)
        assert (state.agent_xy[0] < goal + 0.5).all()
    assert np.allclose(state.agent_xy[0], goal, atol=0.1)


def test_other_worlds_are_refused():
    other = EnvSpec("lamp", {"light": ArraySpec((1,))}, ArraySpec((2,), "1", -1.0, 1.0), 0.1)
    with pytest.raises(SpecError, match="lamp"):
        ScriptedDemonstrator().init(other, np.array([0]))
    unbounded = EnvSpec("free", {"state": ArraySpec((5,))}, ArraySpec((2,)), 0.1)
    with pytest.raises(SpecError, match="free"):
        ScriptedPlay().init(unbounded, np.array([0]))
