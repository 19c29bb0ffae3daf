import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, SpecError
from diorama.policies import (
    Actor,
    ActorConfig,
    Critic,
    Likeliest,
    RandomConfig,
    RandomPolicy,
    Sampled,
    build,
    load,
    save,
)

SPEC = EnvSpec("toy", {"x": ArraySpec((3,), "m")}, ArraySpec((2,), "N", (-1.0, 0.0), (1.0, 10.0)), 0.1)
FREE = EnvSpec("free", {"x": ArraySpec((3,), "m")}, ArraySpec((2,), "N"), 0.1)


def act(policy, x, seed=0) -> np.ndarray:
    return np.asarray(policy.act(policy.init(SPEC), {"x": jnp.asarray(x, jnp.float32)}, jax.random.key(seed))[0])


def test_actions_are_inside_the_bounds_for_any_observation():
    actor = Actor.build(ActorConfig("nano", noise=5.0), SPEC, 0)
    for choose in (Sampled(), Likeliest()):
        for scale in (0.0, 1.0, 1e6):
            action = act(actor.choosing(choose), [scale, -scale, scale], seed=int(scale) % 97)
            assert np.all(action >= [-1.0, 0.0]) and np.all(action <= [1.0, 10.0])


def test_the_likeliest_action_ignores_the_key_and_samples_do_not():
    actor = Actor.build(ActorConfig("nano"), SPEC, 0)
    np.testing.assert_array_equal(act(actor, np.ones(3), 1), act(actor, np.ones(3), 2))
    sampled = actor.choosing(Sampled())
    assert np.any(act(sampled, np.ones(3), 1) != act(sampled, np.ones(3), 2))


def test_an_actor_round_trip_takes_the_likeliest_action_with_its_normaliser(tmp_path):
    config = ActorConfig("nano")
    data = {"x": np.random.default_rng(0).normal(3.0, 2.0, (100, 3)).astype(np.float32)}
    actor = Actor.build(config, SPEC, 4).measured(data)
    save(tmp_path, actor.choosing(Sampled()), config, SPEC)
    np.testing.assert_array_equal(act(load(tmp_path), np.ones(3)), act(actor, np.ones(3)))
    assert np.any(act(actor, np.ones(3)) != act(Actor.build(config, SPEC, 4), np.ones(3)))


def test_the_random_policy_is_uniform_in_the_bounds_and_survives_saving(tmp_path):
    policy = build(RandomConfig(), SPEC)
    save(tmp_path, policy, RandomConfig(), SPEC)
    again = load(tmp_path)
    draws = np.stack([act(again, np.zeros(3), seed) for seed in range(200)])
    assert np.all(draws >= [-1.0, 0.0]) and np.all(draws <= [1.0, 10.0])
    np.testing.assert_allclose(draws.mean(0), [0.0, 5.0], atol=0.6)
    np.testing.assert_array_equal(act(RandomPolicy(SPEC), np.zeros(3), 5), draws[5])


def test_unbounded_actions_are_refused():
    for make in (lambda: RandomPolicy(FREE), lambda: Actor.build(ActorConfig("nano"), FREE, 0)):
        with pytest.raises(SpecError, match="finite bounds"):
            make()


def test_the_critic_is_a_scalar_and_its_seed_matters():
    observation = {"x": jnp.ones(3)}
    values = [Critic.build(ActorConfig("nano"), SPEC, seed)(observation) for seed in (0, 0, 1)]
    assert values[0].shape == () and values[0] == values[1] != values[2]
