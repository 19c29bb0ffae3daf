import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core import ArraySpec, ConfigError, Env, EnvSpec, HostEnv, Policy, field, filter_jit
from diorama.envs.teaching import PointMass, PointMassState
from diorama.evaluate import episode_return, evaluate
from diorama.imagine import Decoupled, Stop, Through, rollout
from diorama.imagine.world import Exact
from diorama.policies.config import DescentConfig, IcemConfig, PlannerConfig
from diorama.policies.planners import Elites, Weighted, cem, cem_then_gradient, gradient_planner, icem, mppi
from diorama.policies.planning_search import IcemMemory

PLANNERS = [mppi, cem, icem, gradient_planner, cem_then_gradient]
CONFIG = PlannerConfig(horizon=4, samples=128, rounds=2, elites=8)
LOW, HIGH = -0.2, 0.6


class Cart(Env):
    """A cart whose position moves by the action: bounds lie off centre on purpose.

    About 101 the world blows up under small actions.
    """

    spec: EnvSpec = field(
        static=True,
        default=EnvSpec("cart", {"x": ArraySpec((1,), "m")}, ArraySpec((1,), "m", LOW, HIGH), 0.1),
    )

    def reset(self, scenario, key):
        return jnp.full(1, 3.0)

    def step(self, state, action, key):
        return jnp.where((jnp.abs(state - 101) < 0.1) & (action < 0.3), jnp.nan, state + action)

    def observe(self, state):
        return {"x": state}

    def reward(self, state, action, next_state):
        return -((next_state[0] - 2.0) ** 2)

    def terminal(self, state):
        return jnp.zeros((), bool)


class Screen(Env):
    """A cart that shows its position 256 times, as a picture shows more than there is."""

    spec: EnvSpec = field(static=True, default=Cart().spec)

    def reset(self, scenario, key):
        return Cart().reset(scenario, key)

    def step(self, state, action, key):
        return Cart().step(state, action, key)

    def observe(self, state):
        return {"x": jnp.tile(state, 256)}

    def reward(self, state, action, next_state):
        return Cart().reward(state, action, next_state)

    def terminal(self, state):
        return Cart().terminal(state)


class Lottery(Env):
    """The action is a stake; on average it loses a little, in a single future it wins or loses much."""

    spec: EnvSpec = field(
        static=True, default=EnvSpec("lottery", {"x": ArraySpec((1,))}, ArraySpec((1,), "1", -1.0, 1.0), 0.1)
    )

    def reset(self, scenario, key):
        return jnp.zeros(1)

    def step(self, state, action, key):
        return action * (jax.random.normal(key) - 0.5)

    def observe(self, state):
        return {"x": state}

    def reward(self, state, action, next_state):
        return next_state[0]

    def terminal(self, state):
        return jnp.zeros((), bool)


class Always(Policy):
    """One action for ever."""

    action: jax.Array

    def init(self, spec):
        return None

    def act(self, memory, observation, key):
        return self.action, None


class HostCart(HostEnv):
    """The cart on NumPy arrays."""

    spec = Cart().spec
    rewindable = True

    def reset(self, seeds, scenario):
        return np.linspace(1.0, 3.0, len(seeds), dtype=np.float32)[:, None]

    def step(self, state, action):
        return state + action

    def observe(self, state):
        return {"x": state}

    def reward(self, state, action, next_state):
        return -((next_state[:, 0] - 2.0) ** 2)

    def terminal(self, state):
        return np.zeros(len(state), bool)


def begin(observation, key):
    return observation["x"]


@filter_jit
def decide_compiled(policy, x, key):
    def one(x, key):
        action, memory = policy.act(policy.init(policy.env.spec), {"x": x[None]}, key)
        return action[0], memory

    return jax.vmap(one)(x, key)


def decide(policy, x, key):
    """The first actions ``[N]`` in N worlds at ``x``, and the memories after them."""
    return decide_compiled(policy, jnp.asarray(x, jnp.float32), key)


def keys(*seeds):
    return jax.vmap(jax.random.key)(jnp.array(seeds, jnp.uint32))


# A linear-quadratic problem with a known solution.


def riccati():
    """Gain and cost matrix of one axis of the point mass of 1 kg, discounted by nothing, without an end."""
    period, effort = PointMass().spec.control_period, 0.1
    a, b = np.array([[1.0, period], [0.0, 1.0]]), np.array([period**2 / 2, period])
    cost = np.zeros((2, 2))
    for _ in range(2000):
        after = cost + np.diag([1.0, 0.0])
        gain = (b @ after @ a) / (effort + b @ after @ b)
        cost = a.T @ after @ (a - np.outer(b, gain))
    return gain, cost


GAIN, COST = riccati()


def cost_to_go(seen):
    axes = jnp.stack([seen["position"], seen["velocity"]])
    return jnp.einsum("ia,ij,ja->", axes, jnp.asarray(COST, jnp.float32), axes)


def begin_mass(seen, key):
    return PointMassState(seen["position"], seen["velocity"], jnp.array(1.0))


def mass_planner(planner, **more):
    config = PlannerConfig(horizon=4, samples=128, rounds=4, elites=16, least=0.02)
    return planner(PointMass(), config, begin_mass, value=lambda seen: -cost_to_go(seen), **more)


START = {"position": jnp.array([0.2, -0.1]), "velocity": jnp.array([0.1, 0.2])}
BEST_FORCE = -GAIN @ np.stack([START["position"], START["velocity"]])


@pytest.mark.parametrize("planner", PLANNERS)
def test_planners_reach_the_cost_of_the_linear_quadratic_regulator(planner):
    """With the regulator's own cost as value, the best plan of any horizon follows the regulator."""
    policy = mass_planner(planner)
    start = begin_mass(START, None)
    seen = filter_jit(rollout)(policy.env, policy, start, length=30, key=jax.random.key(0))
    last = {name: array[-1] for name, array in seen.observation.items()}
    assert abs(np.abs(BEST_FORCE)).max() < 0.9  # else the bounds would count
    assert -seen.reward.sum() + cost_to_go(last) == pytest.approx(float(cost_to_go(START)), rel=0.03)


@pytest.mark.parametrize("gradient", [Through(), Decoupled(Exact(PointMass().spec, PointMass(), lambda s: None))])
def test_descent_finds_the_analytic_optimum(gradient):
    if isinstance(gradient, Decoupled):
        gradient = Decoupled(Exact(PointMass().spec, PointMass(), lambda seen: begin_mass(seen, None)))
    policy = mass_planner(gradient_planner, how=DescentConfig(restarts=2, steps=150), gradient=gradient)
    force, _ = filter_jit(policy.act)(policy.init(policy.env.spec), START, jax.random.key(0))
    np.testing.assert_allclose(force, BEST_FORCE, atol=1e-3)


def test_descent_improves_what_little_sampling_found():
    config, errors = PlannerConfig(horizon=4, samples=8, rounds=1, elites=2), []
    for planner in (cem, cem_then_gradient):
        policy = planner(PointMass(), config, begin_mass, value=lambda seen: -cost_to_go(seen))
        act = filter_jit(jax.vmap(lambda key, policy=policy: policy.act(policy.init(policy.env.spec), START, key)[0]))
        errors.append(np.abs(np.asarray(act(keys(*range(20)))) - BEST_FORCE).mean())
    assert errors[1] < 0.4 * errors[0]


# Every planner, in the cart's world.


@pytest.fixture(scope="module", params=PLANNERS, ids=lambda planner: planner.__name__)
def planner(request):
    return request.param(Cart(), CONFIG, begin)


@settings(max_examples=30, deadline=None)
@given(
    x=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_action_leaves_the_bounds(planner, x, seed):
    """Far out the rewards overflow and the world blows up, which must not break the plan."""
    action, _ = decide(planner, x, keys(seed, seed, seed))
    assert np.all(action >= LOW) and np.all(action <= HIGH)


def test_planners_go_towards_the_goal(planner):
    action, _ = decide(planner, [0.0, 2.0, 4.0], keys(0, 1, 2))
    assert action[0] > 0.3 and action[2] < 0.0


@pytest.mark.parametrize("planner", [mppi, cem, icem, cem_then_gradient], indirect=True)
def test_imaginations_that_blow_up_are_the_worst(planner):
    """At 101 the goal is far below, and whoever goes there fast sees nothing finite."""
    action, _ = decide(planner, [101.0, 101.0, 101.0], keys(0, 1, 2))
    assert np.all(action >= 0.3) and np.mean(action) < 0.55


def test_the_same_seed_gives_the_same_action(planner):
    first, again, other = (
        decide(planner, [1.9, 1.9, 0.0], keys(*seeds)) for seeds in ((0, 1, 2), (0, 1, 2), (3, 4, 5))
    )
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert np.any(first[0] != other[0])


def test_worlds_in_a_batch_do_not_see_each_other(planner):
    first, _ = decide(planner, [1.9, 0.0, 4.0], keys(0, 1, 2))
    other, _ = decide(planner, [1.9, 3.0, 1.0], keys(0, 3, 4))
    assert first[0] == other[0] and np.all(first[1:] != other[1:])


@pytest.mark.parametrize("make", [mppi, icem])
def test_the_value_looks_beyond_the_horizon(make):
    """One step ahead the reward says to go up; the value alone says to go down."""
    short = PlannerConfig(horizon=1, samples=32, rounds=2, elites=4)
    policy = make(Cart(), short, begin, value=lambda observation: -100.0 * observation["x"][0])
    assert decide(policy, [0.0], keys(0))[0][0] < -0.1


@pytest.mark.parametrize("make", [mppi, icem, gradient_planner])
def test_a_perfect_proposal_is_taken(make):
    """With next to no search of their own, planners follow what is offered."""
    tiny = PlannerConfig(horizon=6, samples=3, rounds=1, elites=1, noise=1e-6)
    more = {"how": DescentConfig(restarts=1, steps=1, rate=1e-6)} if make is gradient_planner else {}
    policy = make(Cart(), tiny, begin, proposal=Always(jnp.array([HIGH])), **more)
    assert decide(policy, [-3.0], keys(0))[0][0] == pytest.approx(HIGH, abs=0.01)


def test_chunks_change_no_decision_and_bound_the_memory_of_many_worlds():
    def planned(chunk):
        config = PlannerConfig(horizon=8, samples=500, rounds=1, elites=4, chunk=chunk)
        policy = cem(Screen(), config, begin, value=lambda observation: observation["x"].mean())
        x, key = jnp.linspace(0, 3, 8), keys(*range(8))
        compiled = jax.jit(lambda x, key: decide(policy, x, key)).lower(x, key).compile()
        return compiled(x, key)[0], compiled.memory_analysis().temp_size_in_bytes

    # 60 does not divide 500.
    (whole, much), (pieces, little) = planned(0), planned(60)
    np.testing.assert_allclose(whole, pieces, atol=1e-5)
    assert little < 0.3 * much


def test_one_lucky_future_is_believed_and_an_average_is_not():
    def stakes(draws):
        config = PlannerConfig(horizon=1, samples=16, rounds=2, elites=4, draws=draws)
        policy = cem(Lottery(), config, lambda seen, key: seen["x"])
        return decide(policy, np.zeros(32), keys(*range(32)))[0]

    assert np.mean(stakes(1) > 0) > 0.2
    assert np.all(stakes(64) < 0)


def test_a_planner_acts_in_host_worlds():
    policy = icem(Cart(), CONFIG, begin)
    scores, seen = evaluate(policy, HostCart(), seeds=np.arange(3), length=12, metrics={"return": episode_return})
    assert np.all(seen.action >= LOW) and np.all(seen.action <= HIGH)
    assert np.abs(seen.observation["x"][:, -1] - 2.0).max() < 0.3
    # Who stays where it starts, at 1, 2 and 3, gets -12, 0 and -12.
    assert np.all(scores.scores["return"] > [-8, -1, -8])


def test_refinements_weigh_as_defined():
    samples = jnp.array([0.0, 1.0, 10.0])[:, None, None]
    scores = jnp.array([1.0, 0.0, -50.0])
    config = PlannerConfig(horizon=1, samples=3, rounds=1, elites=2, temperature=1.0)
    mean, _ = filter_jit(Elites())(samples, scores, config)
    assert mean[0, 0] == pytest.approx(0.5)
    mean, _ = filter_jit(Weighted())(samples, scores, config)
    assert mean[0, 0] == pytest.approx(1 / (1 + np.exp(1 / 0.5)), abs=1e-4)


def test_the_plan_is_carried_over_and_shifted():
    _, after = decide(mppi(Cart(), CONFIG, begin), [0.0, 0.0, 0.0], keys(0, 1, 2))
    assert after.shape == (3, 4, 1) and np.any(after != 0)
    np.testing.assert_array_equal(after[:, -1], after[:, -2])


def test_icem_asks_for_fewer_samples_in_each_round():
    config = PlannerConfig(samples=40, rounds=4, elites=10)
    assert IcemConfig(decay=1.5).counts(config) == [40, 26, 20, 20]
    assert IcemConfig(decay=1.0).counts(config) == [40] * 4


def test_icem_does_its_best_sample_and_keeps_its_elites():
    """At 0 it pushes up. At 3 it would push down; without noise it can only choose among the elites that it kept."""
    config = PlannerConfig(horizon=4, samples=8, rounds=1, elites=4, noise=1e-6, least=1e-6)
    policy = icem(Cart(), config, begin, how=IcemConfig(kept=0.5))
    kept = jnp.array([[0.1, 0.2, 0.3, 0.4], [0.9, 0.8, 0.7, 0.6]])[..., None]
    memory = IcemMemory(jnp.zeros((4, 1)), kept, jnp.ones((), bool))

    @filter_jit
    def act(x, key):
        return policy.act(memory, {"x": x}, key)

    action, after = act(jnp.array([0.0]), jax.random.key(0))
    np.testing.assert_allclose(after.elites[0, :3, 0], kept[1, 1:, 0], atol=1e-6)
    assert action[0] == pytest.approx(LOW + 1.8 / 2 * (HIGH - LOW))
    action, _ = act(jnp.array([3.0]), jax.random.key(0))
    assert action[0] == pytest.approx(LOW + 1.0 / 2 * (HIGH - LOW), abs=1e-4)


@pytest.mark.parametrize(
    ("match", "make"),
    [
        ("elites", lambda: PlannerConfig(samples=4, elites=5)),
        ("draws", lambda: PlannerConfig(draws=0)),
        ("chunk", lambda: PlannerConfig(chunk=-1)),
        ("decay", lambda: IcemConfig(decay=0.5)),
        ("kept", lambda: IcemConfig(kept=0.0)),
        ("steps", lambda: DescentConfig(steps=0)),
        ("twice", lambda: icem(Cart(), PlannerConfig(samples=20, elites=16), begin)),
        ("Stop", lambda: gradient_planner(Cart(), CONFIG, begin, gradient=Stop())),
    ],
)
def test_impossible_settings_are_refused(match, make):
    with pytest.raises(ConfigError, match=match):
        make()
