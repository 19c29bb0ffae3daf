"""The closed forms of the diffusion model: scaling, samplers, context, loss, artifacts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, SpecError, Window, filter_jit, filter_value_and_grad
from diorama.core.artifact import Builder, load_artifact, named_arrays, save_artifact
from diorama.models.diffusion import (
    Context,
    Diffusion,
    DiffusionConfig,
    Euler,
    Heun,
    NoiseLevels,
    Preconditioning,
    Schedule,
)
from diorama.models.diffusion.mlp import WAVES
from diorama.models.diffusion.picture_target import PictureTarget
from diorama.models.diffusion.vector_target import VectorTarget
from diorama.models.tokenizer import TokenizerConfig
from diorama.nn import PlanarFrame, waves_of

ACTION = ArraySpec((2,), "px", -1.0, 1.0)
SPEC = EnvSpec("toy", {"x": ArraySpec((6,), "px")}, ACTION, 0.2)
EYE = EnvSpec("eye", {"top": ArraySpec((4, 4, 3), low=0.0, high=255.0, dtype="uint8")}, ACTION, 0.2)
FRAME = PlanarFrame(origin=(2, 3), heading=(4, 5), points=((0, 1),), actions=((0, 1),))
KEY = jax.random.key(0)
NETWORKS = [("mlp", SPEC), ("transformer", SPEC), ("reader", SPEC), ("unet", EYE), ("patches", EYE)]
call = filter_jit(lambda function, *arguments: function(*arguments))


@filter_jit
def loss_and_gradient(denoiser, model, window):
    @filter_value_and_grad(has_aux=True)
    def loss(denoiser):
        return dataclasses.replace(model, denoiser=denoiser).loss(window, KEY)

    (_, metrics), gradient = loss(denoiser)
    return metrics["denoising"], gradient


def windows(count: int = 32, length: int = 3) -> Window:
    rng = np.random.default_rng(0)
    start = rng.normal(0, 50, (count, 1, 6))
    moves = rng.normal(0, 2, (count, length, 6))
    observation = np.concatenate([start, moves], axis=1).cumsum(axis=1).astype(np.float32)
    flags = np.zeros((count, length), bool)
    action = rng.uniform(-1, 1, (count, length, 2)).astype(np.float32)
    return Window({"x": observation}, action, rng.normal(size=(count, length)).astype(np.float32), flags, ~flags)


def one(batch: Window) -> Window:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batch)


@pytest.fixture(scope="module")
def model() -> Diffusion:
    """A small model whose networks are not the zero that they begin as."""
    built = Diffusion.build(DiffusionConfig("nano", frame=FRAME, context_noise=0.1), SPEC, 0).measured(windows())
    rng = np.random.default_rng(1)
    networks = jax.tree.map(lambda w: w + 0.05 * rng.normal(size=w.shape).astype(np.float32), built.denoiser)
    return dataclasses.replace(built, denoiser=networks)


@pytest.mark.parametrize("offset", [0.0, 0.3])
@pytest.mark.parametrize("sigma", [2e-3, 0.4, 20.0])
def test_preconditioning_keeps_input_and_target_at_size_one(sigma, offset):
    """With data x of variance d^2 and noise n of variance s^2, all by the algebra of variances."""
    precondition = Preconditioning(data=0.5, offset=offset)
    c = precondition.coefficients(jnp.asarray(sigma, jnp.float32))
    data, noise = 0.25, sigma**2 + offset**2
    assert c.into**2 * (data + noise) == pytest.approx(1.0, rel=1e-5)
    assert ((1 - c.skip) ** 2 * data + c.skip**2 * noise) / c.out**2 == pytest.approx(1.0, rel=1e-3)
    # The best linear guess of x from x + n leaves an error that is uncorrelated with x + n.
    assert c.skip == pytest.approx(data / (data + noise), rel=1e-5)
    assert c.noise == pytest.approx(np.log(noise) / 8, rel=1e-4)


def test_a_network_that_gives_the_target_denoises_perfectly():
    precondition, sigma = Preconditioning(offset=0.3), jnp.asarray(0.7)
    clean, noisy = jnp.array([0.3, -0.9]), jnp.array([1.4, 0.2])
    c = precondition.coefficients(sigma)
    wanted = (clean - c.skip * noisy) / c.out

    def network(scaled: jax.Array, noise: jax.Array) -> jax.Array:
        np.testing.assert_allclose(scaled, c.into * noisy, rtol=1e-6)
        return wanted

    np.testing.assert_allclose(precondition.denoised(network, noisy, sigma), clean, atol=1e-6)
    assert precondition.error(network, clean, noisy, sigma) < 1e-12
    assert precondition.error(lambda x, n: wanted + 2.0, clean, noisy, sigma) == pytest.approx(4.0, rel=1e-5)


def test_training_levels_are_log_normal_and_clipped():
    levels = np.asarray(call(jax.vmap(NoiseLevels().sample), jax.random.split(KEY, 4000)))
    assert np.log(levels).mean() == pytest.approx(-0.4, abs=0.06) and np.log(levels).std() == pytest.approx(
        1.2, abs=0.05
    )
    told = Diffusion.build(DiffusionConfig("nano", noise_mean=1.0, noise_begin=20.0), SPEC, 0)
    assert told.levels == NoiseLevels(mean=1.0) and told.sampler.schedule.levels()[0] == pytest.approx(20.0)
    narrow = np.asarray(call(jax.vmap(NoiseLevels(low=0.5, high=1.0).sample), jax.random.split(KEY, 100)))
    assert narrow.min() == 0.5 and narrow.max() == 1.0


def test_the_schedule_falls_from_five_to_the_lowest_level_and_then_to_zero():
    levels = Schedule().levels()
    middle = ((5 ** (1 / 7) + 2e-3 ** (1 / 7)) / 2) ** 7
    np.testing.assert_allclose(levels, [5.0, middle, 2e-3, 0.0], rtol=1e-5)
    np.testing.assert_array_equal(Schedule(steps=1).levels(), [5.0, 0.0])


def gaussian(x: jax.Array, sigma: jax.Array) -> jax.Array:
    """The best denoiser of a normal with mean 0.3 and standard deviation 0.2."""
    return (0.04 * x + sigma**2 * 0.3) / (0.04 + sigma**2)


def gaussian_error(sampler: Euler | Heun) -> float:
    """The error of what becomes of the noise +1 and -1, against the exact solution of the flow."""
    shrunk = 0.2 / np.sqrt(0.04 + 25.0)
    exact = 0.3 + (5 * np.array([1.0, -1.0]) - 0.3) * shrunk
    return float(np.abs(call(lambda x: sampler(gaussian, x), jnp.array([1.0, -1.0])) - exact).max())


def test_samplers_recover_a_normal_and_heun_is_of_higher_order():
    assert gaussian_error(Heun(Schedule(steps=40))) < 2e-3
    errors = [gaussian_error(sampler(Schedule(steps=n))) for sampler in (Euler, Heun) for n in (20, 40)]
    assert errors[1] < 0.7 * errors[0] and errors[3] < 0.35 * errors[2] and errors[3] < 0.2 * errors[1]
    samples = np.asarray(call(Heun(Schedule(steps=40)), gaussian, jax.random.normal(KEY, (4000,))))
    assert samples.mean() == pytest.approx(0.3, abs=0.02) and samples.std() == pytest.approx(0.2, abs=0.01)


def mixture(x: jax.Array, sigma: jax.Array) -> jax.Array:
    """The best denoiser of normals of deviation 0.05 at -0.5 (weight 0.3) and 0.5 (weight 0.7)."""
    total = 0.0025 + sigma**2
    right = jax.nn.sigmoid(jnp.log(0.7 / 0.3) + ((x + 0.5) ** 2 - (x - 0.5) ** 2) / (2 * total))
    return (0.0025 * x + sigma**2 * (right - 0.5)) / total


@pytest.mark.parametrize("sampler", [Euler, Heun])
def test_samplers_recover_both_modes_of_a_mixture(sampler):
    samples = np.asarray(call(sampler(Schedule(steps=60)), mixture, jax.random.normal(KEY, (4000,))))
    right = samples > 0
    assert right.mean() == pytest.approx(0.7, abs=0.04)
    for side, centre in ((right, 0.5), (~right, -0.5)):
        assert samples[side].mean() == pytest.approx(centre, abs=0.01)
        assert samples[side].std() == pytest.approx(0.05, abs=0.01)


def test_three_euler_steps_are_three_calls_of_the_network():
    calls = []

    def denoise(x: jax.Array, sigma: jax.Array) -> jax.Array:
        calls.append(float(sigma))
        return gaussian(x, sigma)

    Euler()(denoise, jnp.ones(2))
    np.testing.assert_allclose(calls, Schedule().levels()[:-1])
    calls.clear()
    Heun()(denoise, jnp.ones(2))
    assert len(calls) == 5


def test_values_lead_back_to_observations_and_do_not_depend_on_where_the_body_lies():
    target = VectorTarget.build(SPEC, FRAME).measured(windows())
    last, following = jnp.array([3.0, 1.0, 2.0, -1.0, 0.6, 0.8]), jnp.array([3.5, 1.0, 2.1, -0.7, 0.8, 0.6])
    turn = np.array([[0.0, -1.0], [1.0, 0.0]], np.float32)

    def turned(vector: jax.Array) -> jax.Array:
        return jnp.asarray(np.concatenate([turn @ np.asarray(vector)[i : i + 2] for i in (0, 2, 4)]))

    value = call(target.encode, last, following)
    np.testing.assert_allclose(call(target.decode, last, value), following, atol=1e-5)
    np.testing.assert_allclose(call(target.encode, turned(last), turned(following)), value, atol=1e-4)
    # The first two entries of an action are those of the table, the others those of the frame.
    actions, known = jnp.array([[0.3, -0.7], [1.0, 0.2]]), jnp.ones(2)
    here = call(target.context, jnp.stack([last, following]), actions, known)
    there = call(target.context, jnp.stack([turned(last), turned(following)]), actions @ turn.T, known)
    np.testing.assert_allclose(there.past, here.past, atol=1e-4)
    np.testing.assert_allclose(there.actions[:, 2:], here.actions[:, 2:], atol=1e-5)
    assert not np.allclose(there.actions[:, :2], here.actions[:, :2])


def test_drawn_values_have_half_a_standard_deviation():
    batch = windows(200)
    target = VectorTarget.build(SPEC, None).measured(batch)
    flat = jnp.asarray(batch.observation["x"])
    values = jax.vmap(jax.vmap(target.encode))(flat[:, :-1], flat[:, 1:])
    np.testing.assert_allclose(values.reshape(-1, 6).std(axis=0), 0.5, rtol=1e-3)


def test_pictures_are_drawn_in_256_levels():
    target = PictureTarget.build(EYE)
    pixels = jnp.asarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3)), jnp.uint8)
    flat = target.flatten({"top": pixels})
    assert flat.min() >= -1 and flat.max() <= 1
    np.testing.assert_array_equal(target.split(flat)["top"], pixels)
    noisy = target.clean(flat + 0.003)
    np.testing.assert_array_equal(target.split(noisy)["top"], pixels)
    np.testing.assert_allclose(noisy, flat, atol=1e-6)
    np.testing.assert_array_equal(target.split(target.decode(flat, 3 * flat))["top"].max(), 255)


def test_start_repeats_the_first_observation_and_steps_shift_it_out(model):
    batch = one(windows(1, 5))
    belief = call(model.start, {"x": batch.observation["x"][0]}, KEY)
    np.testing.assert_array_equal(belief.observations, jnp.stack([batch.observation["x"][0]] * 4))
    np.testing.assert_array_equal(belief.known, [0, 0, 0, 1])
    for time in range(5):
        belief = call(model.update, belief, batch.action[time], {"x": batch.observation["x"][time + 1]}, KEY)
    inferred = call(model.infer, batch, KEY)
    for name in ("observations", "actions", "known"):
        np.testing.assert_array_equal(getattr(inferred, name), getattr(belief, name))
    np.testing.assert_array_equal(belief.observations, batch.observation["x"][2:])
    np.testing.assert_array_equal(belief.actions, batch.action[2:])


def test_inference_ends_with_the_last_step_that_happened(model):
    whole = one(windows(1, 5))
    cut = jax.tree.map(lambda leaf: leaf[:3], whole)
    short = dataclasses.replace(cut, observation={"x": whole.observation["x"][:3]}, **{
        name: getattr(whole, name)[:2] for name in ("action", "reward", "end", "mask")
    })  # fmt: skip
    masked = dataclasses.replace(whole, mask=jnp.arange(5) < 2)
    for left, right in zip(
        jax.tree.leaves(call(model.infer, short, KEY)), jax.tree.leaves(call(model.infer, masked, KEY)), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    assert call(model.infer, short, KEY).known.tolist() == [0, 1, 1, 1]


def test_a_step_is_a_draw_and_its_key_decides(model):
    belief = call(model.infer, one(windows(1, 5)), KEY)
    action = jnp.array([0.2, 0.4])
    draws = [call(model.step, belief, action, jax.random.key(seed)).observations[-1] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
    assert np.linalg.norm(draws[0][4:]) == pytest.approx(1.0, abs=1e-5)


def test_the_gradient_of_the_loss_is_that_of_finite_differences(model):
    window = one(windows())
    _, gradient = loss_and_gradient(model.denoiser, model, window)
    rng = np.random.default_rng(2)
    # Half of the entries, drawn at random: a derivative that is wrong in some of them cannot hide.
    half = jax.tree.map(lambda g: np.asarray(g) * rng.integers(0, 2, g.shape).astype(np.float32), gradient)
    norm = np.sqrt(sum(np.vdot(h, h) for h in jax.tree.leaves(half)))
    ahead, back = (
        loss_and_gradient(jax.tree.map(lambda p, h, s=s: p + s * h / norm, model.denoiser, half), model, window)[0]
        for s in (3e-2, -3e-2)
    )
    assert float(ahead - back) / 6e-2 == pytest.approx(norm, rel=0.02)


def test_noise_on_the_context_changes_the_denoising_and_no_heads(model):
    window = one(windows())
    noisy, quiet = (call(dataclasses.replace(model, context_noise=n).loss, window, KEY)[1] for n in (0.1, 0.0))
    assert float(noisy["denoising"]) != pytest.approx(float(quiet["denoising"]), rel=1e-3)
    assert float(noisy["reward"]) == pytest.approx(float(quiet["reward"]))


def test_an_artifact_gives_the_same_model_back(tmp_path, model):
    config = DiffusionConfig("nano", frame=FRAME, context_noise=0.1)
    save_artifact(tmp_path, model, kind="diffusion", config=config, spec=SPEC)
    loaded = load_artifact(tmp_path, {"diffusion": Builder(DiffusionConfig, Diffusion.build)})
    ours, theirs = named_arrays(model), named_arrays(loaded)
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert jax.tree.structure(model) == jax.tree.structure(loaded)


def test_impossible_choices_are_refused():
    with pytest.raises(ConfigError, match="nano"):
        DiffusionConfig("huge")
    with pytest.raises(ConfigError, match="context"):
        DiffusionConfig(context=0)
    with pytest.raises(ConfigError, match="begin above"):
        DiffusionConfig(noise_begin=0.001)
    with pytest.raises(ConfigError, match="vectors"):
        Diffusion.build(DiffusionConfig("nano", "unet"), SPEC, 0)
    with pytest.raises(SpecError, match="halved"):
        odd = EnvSpec("odd", {"top": ArraySpec((5, 4, 3), low=0.0, high=255.0, dtype="uint8")}, ACTION, 0.2)
        Diffusion.build(DiffusionConfig("nano"), odd, 0)
    with pytest.raises(SpecError, match="to a 8th"):
        Diffusion.build(DiffusionConfig("nano", fold=4), EYE, 0)
    with pytest.raises(SpecError, match="tile"):
        Diffusion.build(DiffusionConfig("nano", "patches", patch=3), EYE, 0)
    with pytest.raises(SpecError, match="one size"):
        both = EnvSpec("both", {**EYE.observation, **SPEC.observation}, ACTION, 0.2)
        Diffusion.build(DiffusionConfig("nano"), both, 0)


@pytest.mark.parametrize(("network", "spec"), [("transformer", SPEC), ("unet", EYE), ("patches", EYE)])
def test_the_first_output_is_zero(network, spec):
    """Then the first error is the size of the target, 1, whatever the noise."""
    leave = Diffusion.build(DiffusionConfig("nano", network, patch=2), spec, 0).denoiser.leave
    assert not np.any(leave.weight) and not np.any(leave.bias)


@pytest.mark.parametrize(("network", "spec"), NETWORKS)
def test_every_network_looks_at_everything(network, spec):
    built = Diffusion.build(DiffusionConfig("nano", network, context=3, patch=2, fold=2), spec, 0)
    rng = np.random.default_rng(1)
    opened = jax.tree.map(lambda w: w + 0.2 * rng.normal(size=w.shape).astype(np.float32), built.denoiser)
    flats = jnp.asarray(rng.normal(size=(3, *built.target.shape)), jnp.float32)
    context = built.target.context(flats, jnp.asarray(rng.normal(size=(3, 2)), jnp.float32), jnp.ones(3))
    given = (flats[0], jnp.asarray(0.2), context)
    leaves, shape = jax.tree.flatten(given)

    def denoised(noisy: jax.Array, noise: jax.Array, seen: Context) -> jax.Array:
        return opened(noisy, noise, opened.read(seen))

    before = call(denoised, *given)
    assert before.shape == built.target.shape
    for place in range(len(leaves)):
        changed = [leaf.at[(0,) * leaf.ndim].add(0.5) if k == place else leaf for k, leaf in enumerate(leaves)]
        assert np.abs(call(denoised, *jax.tree.unflatten(shape, changed)) - before).max() > 1e-4, place


def test_a_vector_read_in_parts_goes_through_the_network_as_one(model):
    rng = np.random.default_rng(3)
    context = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), one_context(model))
    noisy, noise = jnp.asarray(rng.normal(size=6), jnp.float32), jnp.asarray(0.3)
    seen = [context.now, context.past.reshape(-1), context.actions.reshape(-1), context.known]
    whole = call(model.denoiser.network, jnp.concatenate([noisy, waves_of(noise, WAVES), *seen]))
    parts = call(lambda: model.denoiser(noisy, noise, model.denoiser.read(context)))
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def one_context(model: Diffusion) -> Context:
    flats, actions = jnp.ones((4, *model.target.shape)), jnp.ones((4, model.spec.action.size))
    return model.target.context(flats, actions, jnp.ones(4))


def test_rounded_weights_draw_nearly_the_same(model):
    belief, action = call(model.infer, one(windows(1, 5)), KEY), jnp.array([0.2, 0.4])
    exact, near = (call(m.step, belief, action, KEY).observations[-1] for m in (model, model.rounded()))
    moved = np.abs(np.asarray(exact) - belief.observations[-1]).max()
    assert 0 < np.abs(np.asarray(exact) - near).max() < 0.03 * moved


def test_only_the_largest_score_of_a_discrete_action_counts_and_all_have_derivatives():
    spec = EnvSpec("choices", SPEC.observation, ArraySpec((3,), low=0.0, high=1.0), 0.2)
    batch = windows()
    scores = np.random.default_rng(4).uniform(0, 1, (32, 3, 3)).astype(np.float32)
    batch = dataclasses.replace(batch, action=scores)
    built = Diffusion.build(DiffusionConfig("nano", discrete=True), spec, 0).measured(batch)
    shares = np.bincount(scores.argmax(-1).ravel(), minlength=3) / 96
    np.testing.assert_allclose(built.target.action.mean, shares, atol=1e-5)
    rng = np.random.default_rng(1)
    networks = jax.tree.map(lambda w: w + 0.05 * rng.normal(size=w.shape).astype(np.float32), built.denoiser)
    built = dataclasses.replace(built, denoiser=networks)
    belief = call(built.start, {"x": jnp.asarray(batch.observation["x"][0, 0])}, KEY)

    @filter_jit
    def drawn(action: jax.Array) -> jax.Array:
        return built.step(belief, action, KEY).observations[-1]

    here, alike, other = (drawn(jnp.array(a)) for a in ([0.2, 0.9, 0.1], [0.5, 0.6, 0.3], [0.7, 0.6, 0.3]))
    np.testing.assert_allclose(here, alike, rtol=1e-5)
    assert not np.allclose(here, other)
    slope = filter_jit(jax.grad(lambda a: drawn(a).sum()))(jnp.array([0.2, 0.9, 0.1]))
    assert np.all(np.asarray(slope) != 0)


@pytest.fixture(scope="module")
def latent() -> Diffusion:
    """A model of 8 x 8 pixels that draws codes ``[2, 2, 3]``."""
    eye = EnvSpec("eye", {"top": ArraySpec((8, 8, 3), low=0.0, high=255.0, dtype="uint8")}, ACTION, 0.2)
    config = DiffusionConfig("nano", "patches", context=2, patch=1, latent=TokenizerConfig("nano", channels=3))
    return Diffusion.build(config, eye, 0)


def test_a_latent_model_draws_codes_and_shows_pictures(latent):
    pixels = jnp.asarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3)), jnp.uint8)
    belief = call(latent.start, {"top": pixels}, KEY)
    assert belief.observations.shape == (2, 2, 2, 3)
    shown = call(latent.read, call(latent.step, belief, jnp.zeros(2), KEY)).observation["top"]
    assert shown.shape == (8, 8, 3) and shown.dtype == jnp.uint8
    np.testing.assert_array_equal(latent.target.clean(jnp.full((2, 2, 3), 7.0)), 1.0)


def test_only_reconstruction_teaches_the_tokenizer(latent):
    rng = np.random.default_rng(0)
    pictures = jnp.asarray(rng.integers(0, 256, (4, 8, 8, 3)), jnp.uint8)
    flags = jnp.zeros(3, bool)
    window = Window({"top": pictures}, jnp.zeros((3, 2)), jnp.zeros(3), flags, ~flags)
    opened = jax.tree.map(lambda w: w + 0.1 * rng.normal(size=w.shape).astype(np.float32), latent.denoiser)
    model = dataclasses.replace(latent, denoiser=opened)

    @filter_jit
    def slopes(model: Diffusion, name: str) -> Diffusion:
        return filter_value_and_grad(lambda m: m.loss(window, KEY)[1][name])(model)[1]

    denoising, reconstruction = slopes(model, "denoising"), slopes(model, "reconstruction")
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(denoising.target.tokenizer))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(denoising.denoiser))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(reconstruction.target.tokenizer))


def test_vectors_have_no_codes():
    with pytest.raises(ConfigError, match="pictures"):
        Diffusion.build(DiffusionConfig("nano", latent=TokenizerConfig()), SPEC, 0)
