import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, SpecError, filter_jit
from diorama.core.canonical import from_json, to_json
from diorama.nn.planar_frame import PlanarFrame
from diorama.policies import load, save
from diorama.policies.check import check_policy
from diorama.policies.denoisers import Convolution, group_norm
from diorama.policies.diffusion_config import DiffusionPolicyConfig, MLPDenoiserConfig, UNetDenoiserConfig
from diorama.policies.diffusion_policy import ActionRange, DiffusionPolicy
from diorama.policies.diffusion_schedule import DDIM, DDPM, Schedule

SPEC = EnvSpec("toy", {"x": ArraySpec((3,), "m")}, ArraySpec((2,), "N", (-1.0, 5.0), (1.0, 10.0)), 0.1)
SMALL = DiffusionPolicyConfig(8, 2, 4, 20, MLPDenoiserConfig((16,)), 8)
CONVOLVING = DiffusionPolicyConfig(8, 2, 4, 20, UNetDenoiserConfig((8, 16), 3, 4), 8)
BODY = EnvSpec("body", {"x": ArraySpec((6,), "m")}, ArraySpec((2,), "m", -1.0, 1.0), 0.1)
MOVING = DiffusionPolicyConfig(
    8, 2, 4, 20, MLPDenoiserConfig((16,)), 8, PlanarFrame((0, 1), (2, 3), ((4, 5),), actions=((0, 1),))
)
MEAN, SPREAD = 0.2, 0.15


def gaussian(schedule: Schedule):
    """The best denoiser of data drawn from a normal of this mean and standard deviation: the posterior mean."""
    kept = jnp.asarray(schedule.kept, jnp.float32)

    def denoise(noisy, step):
        share = kept[step]
        return MEAN + jnp.sqrt(share) * SPREAD**2 / (share * SPREAD**2 + 1 - share) * (noisy - jnp.sqrt(share) * MEAN)

    return denoise


def drawn(sampler, steps: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    schedule = Schedule(steps)
    noise_key, key = jax.random.split(jax.random.key(0))
    noise = jax.random.normal(noise_key, (count, 1, 1))
    keys = jax.random.split(key, count)
    made = jax.jit(jax.vmap(lambda n, k: sampler(gaussian(schedule), schedule, n, k)))(noise, keys)
    return np.asarray(noise).reshape(-1), np.asarray(made).reshape(-1)


def test_the_schedule_is_the_squared_cosine():
    schedule = Schedule(100)
    wanted = (
        np.cos(((np.arange(100) + 1) / 100 + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    )
    np.testing.assert_allclose(schedule.kept[:-1], wanted[:-1], rtol=1e-9)
    # The last step would keep nothing; the largest beta of 0.999 leaves a thousandth of the one before.
    np.testing.assert_allclose(schedule.kept[-1], 0.001 * schedule.kept[-2], rtol=1e-9)


def test_noise_is_added_and_taken_away_exactly():
    schedule, clean, noise = Schedule(50), jnp.full((2, 1), 0.5), jnp.full((2, 1), -1.3)
    for step in (jnp.array(0), jnp.array(20), jnp.array(49)):
        noisy = schedule.noisy(clean, noise, step)
        again = schedule.clean(noisy, schedule.velocity(clean, noise, step), step)
        np.testing.assert_allclose(again, clean, rtol=1e-5)
    np.testing.assert_allclose(noisy, noise, atol=1e-2)  # at the last step nothing else is left


def test_ddim_of_a_known_normal_is_the_product_of_its_steps():
    noise, made = drawn(DDIM(100), 100, 500)
    # Every step scales the distance from the mean, when the sample that is seen is the posterior mean.
    kept = Schedule(100).kept[::-1]
    after = np.append(kept[1:], 1.0)
    factor = (np.sqrt(after * kept) * SPREAD**2 + np.sqrt((1 - after) * (1 - kept))) / (kept * SPREAD**2 + 1 - kept)
    np.testing.assert_allclose(made, MEAN + np.prod(factor) * (noise - np.sqrt(kept[0]) * MEAN), atol=1e-4)
    # The exact flow, which infinitely many steps would follow, scales by the standard deviation.
    assert abs(np.prod(factor) - SPREAD) < 0.01


def test_one_step_of_ddim_gives_the_mean():
    _, made = drawn(DDIM(1), 100, 50)
    np.testing.assert_allclose(made, MEAN, atol=1e-3)


def test_ddpm_of_a_known_normal_has_the_variance_of_its_steps():
    noise, made = drawn(DDPM(), 100)
    kept, variance = Schedule(100).kept, 1.0
    for share, after in zip(kept[::-1], np.append(1.0, kept[:-1])[::-1], strict=True):
        ratio, total = share / after, share * SPREAD**2 + 1 - share
        clean = np.sqrt(after) * (1 - ratio) / (1 - share) * np.sqrt(share) * SPREAD**2 / total
        scale = clean + np.sqrt(ratio) * (1 - after) / (1 - share)
        variance = scale**2 * variance + (1 - after) / (1 - share) * (1 - ratio)
    assert abs(made.mean() - MEAN) < 0.01 and abs(made.std() - np.sqrt(variance)) < 0.006
    assert abs(np.corrcoef(noise, made)[0, 1]) < 0.1


def test_ddim_refuses_more_steps_than_there_are():
    with pytest.raises(ConfigError, match="fewer"):
        drawn(DDIM(11), 10, 1)


@pytest.mark.parametrize("config", [SMALL, CONVOLVING], ids=["mlp", "unet"])
def test_it_keeps_the_contract_of_a_policy_untrained(config):
    check_policy(DiffusionPolicy.build(config, SPEC, 0), SPEC)


def act_on(policy, observations, key) -> np.ndarray:
    memory, actions = policy.init(SPEC), []
    step = filter_jit(policy.act)
    for number, x in enumerate(observations):
        action, memory = step(memory, {"x": jnp.asarray(x, jnp.float32)}, jax.random.fold_in(key, number))
        actions.append(np.asarray(action))
    return np.stack(actions)


def test_a_chunk_is_carried_out_before_it_looks_again():
    policy = DiffusionPolicy.build(SMALL, SPEC, 0)
    seen = np.random.default_rng(0).normal(size=(8, 3))
    key = jax.random.key(1)
    actions = act_on(policy, seen, key)
    first = policy.chunk(jnp.asarray(np.stack([seen[0], seen[0]]), jnp.float32), jax.random.fold_in(key, 0))
    np.testing.assert_allclose(actions[:4], first[1:5], rtol=1e-5, atol=1e-5)
    second = policy.chunk(jnp.asarray(seen[3:5], jnp.float32), jax.random.fold_in(key, 4))
    np.testing.assert_allclose(actions[4:], second[1:5], rtol=1e-5, atol=1e-5)


def test_actions_stay_in_the_range_of_demonstrations_and_in_the_bounds():
    demonstrated = np.stack([np.linspace(-0.2, 7.0, 50), np.full(50, 6.0)], axis=-1)
    limits = ActionRange.of(demonstrated, *SPEC.action.bounds())
    np.testing.assert_allclose(limits.low, [-0.2, 5.0])
    np.testing.assert_allclose(limits.high, [1.0, 10.0])
    made = limits.physical(jnp.array([[-9.0, 9.0], [9.0, -9.0]]))
    np.testing.assert_array_equal(made, np.float32([[-0.2, 10.0], [1.0, 5.0]]))
    inside = jnp.array([[0.3, 6.0]])
    np.testing.assert_allclose(limits.physical(limits.unit(inside)), inside, rtol=1e-6)


def turned_by(angle: float, vectors):
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(vectors, np.float32) @ np.array([[cosine, sine], [-sine, cosine]], np.float32)


def test_a_frame_that_names_actions_makes_plans_turn_with_the_body():
    policy = DiffusionPolicy.build(MOVING, BODY, 0)
    plan = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (8, 2)), jnp.float32)
    ahead = jnp.array([0.0, 0.0, 1.0, 0.0, 3.0, 1.0])
    facing_left = jnp.array([0.0, 0.0, 0.0, 1.0, -1.0, 3.0])
    np.testing.assert_allclose(policy.physical(policy.unit(plan, facing_left), facing_left), plan, atol=1e-6)
    quarter = policy.unit(jnp.asarray(turned_by(np.pi / 2, plan)), facing_left)
    np.testing.assert_allclose(quarter, policy.unit(plan, ahead), atol=1e-6)


def test_turned_plans_stay_in_the_bounds():
    policy = DiffusionPolicy.build(MOVING, BODY, 0)
    np.testing.assert_allclose(policy.limits.high, np.sqrt(2.0) * np.ones(2), rtol=1e-6)
    slanted = jnp.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
    made = policy.physical(jnp.ones((8, 2)), slanted)
    np.testing.assert_array_equal(made, np.clip(made, -1.0, 1.0))
    check_policy(policy, BODY)


def test_a_convolution_is_numpys():
    rng = np.random.default_rng(0)
    layer = Convolution.build(rng, 3, 1, 1)
    x = rng.normal(size=7).astype(np.float32)
    wanted = np.convolve(x, np.asarray(layer.weight)[::-1, 0], mode="same")
    np.testing.assert_allclose(layer(jnp.asarray(x)[:, None])[:, 0], wanted, rtol=1e-5, atol=1e-6)


def test_group_norm_centres_each_group():
    normed = group_norm(jnp.asarray(np.random.default_rng(0).normal(3, 2, (5, 6)), jnp.float32), 2)
    np.testing.assert_allclose(np.asarray(normed).reshape(5, 2, 3).mean((0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(normed).reshape(5, 2, 3).std((0, 2)), 1, rtol=1e-3)


def test_an_artifact_comes_back_with_its_statistics(tmp_path):
    config, rng = SMALL, np.random.default_rng(0)
    seen = {"x": rng.normal(2.0, 3.0, (40, 3)).astype(np.float32)}
    policy = DiffusionPolicy.build(config, SPEC, 3).measured(seen, rng.uniform([-0.5, 6], [0.5, 8], (40, 2)), SPEC)
    save(tmp_path, policy, config, SPEC)
    again = load(tmp_path)
    key = jax.random.key(0)
    np.testing.assert_array_equal(act_on(policy, np.ones((2, 3)), key), act_on(again, np.ones((2, 3)), key))
    for each in (SMALL, CONVOLVING, MOVING):
        assert from_json(DiffusionPolicyConfig, to_json(each)) == each


def test_misfits_are_refused():
    with pytest.raises(ConfigError, match="fewer"):
        DiffusionPolicyConfig(horizon=8, history=2, execute=8)
    with pytest.raises(ConfigError, match="halved"):
        DiffusionPolicyConfig(horizon=10, denoiser=UNetDenoiserConfig((8, 8, 8)))
    with pytest.raises(ConfigError, match="middle"):
        UNetDenoiserConfig(kernel=4)
    free = EnvSpec("free", {"x": ArraySpec((3,), "m")}, ArraySpec((2,), "N"), 0.1)
    with pytest.raises(SpecError, match="finite bounds"):
        DiffusionPolicy.build(SMALL, free, 0)
