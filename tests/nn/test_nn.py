import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, SpecError
from diorama.nn import (
    MLP,
    Features,
    Layout,
    Normaliser,
    PlanarFrame,
    SquashedNormal,
    from_frame,
    layer_norm,
    lift,
    normalise_heading,
    nothing,
    orthogonal,
    soft_clip,
    to_frame,
)

FRAME = PlanarFrame(
    origin=(2, 3),
    heading=(4, 5),
    points=((0, 1),),
    landmarks=((1.0, 2.0),),
    wavelengths=(3.0,),
    targets=(((2.0, 1.0), (0.5, 0.0)),),
    closeups=(0.5,),
)


def observation(agent: tuple[float, float], block: tuple[float, float], angle: float) -> jax.Array:
    return jnp.array([*agent, *block, np.cos(angle), np.sin(angle)], jnp.float32)


def test_orthogonal_has_orthonormal_columns_and_the_asked_gain():
    matrix = orthogonal(np.random.default_rng(0), (7, 4), gain=2.0)
    np.testing.assert_allclose(matrix.T @ matrix, 4 * np.eye(4), atol=1e-5)


def test_a_stack_of_networks_computes_what_each_network_computes():
    networks = [MLP.build(np.random.default_rng(i), (3, 8, 2), between=layer_norm) for i in range(3)]
    x = jnp.array([0.3, -1.0, 2.0])
    together = jax.vmap(lambda network: network(x))(MLP.stack(networks))
    for row, network in zip(together, networks, strict=True):
        np.testing.assert_allclose(row, network(x), rtol=1e-5, atol=1e-6)
    assert not np.allclose(together[0], together[1])


def test_layer_norm_forgets_scale_and_nothing_keeps_it():
    x = jnp.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(layer_norm(x), layer_norm(10 * x), atol=1e-4)
    np.testing.assert_array_equal(nothing(x), x)


def test_normaliser_round_trip_and_constant_entries():
    values = np.random.default_rng(0).normal([5.0, -2.0, 7.0], [3.0, 0.1, 0.0], (500, 3))
    normaliser = Normaliser.of(values)
    z = jax.vmap(normaliser)(jnp.asarray(values, jnp.float32))
    np.testing.assert_allclose(z[:, :2].std(axis=0), 1.0, atol=1e-3)
    assert normaliser.std[2] == 1.0
    np.testing.assert_allclose(jax.vmap(normaliser.invert)(z), values, atol=1e-4)


def test_what_never_varied_is_predicted_as_it_was_and_is_no_infinite_error():
    values = np.random.default_rng(0).normal([5.0, 7.0], [3.0, 0.0], (50, 2))
    normaliser = Normaliser.of(values, still=0.0)
    assert normaliser.std[1] == 0.0 and normaliser.std[0] > 1.0
    np.testing.assert_array_equal(normaliser.invert(jnp.array([0.0, 123.0]))[1], np.float32(7.0))
    np.testing.assert_allclose(normaliser(jnp.array([5.0, 9.0]))[1], 2.0)


def test_no_gradient_reaches_the_statistics():
    gradient = jax.grad(lambda n: jnp.sum(n(jnp.ones(2)) ** 2))(Normaliser(jnp.ones(2) * 3, jnp.ones(2) * 2))
    assert not np.any(gradient.mean) and not np.any(gradient.std)


def test_soft_clip_stays_inside_and_never_loses_its_gradient():
    x = jnp.array([-50.0, -9.0, 0.0, 3.0, 20.0])
    y = soft_clip(x, -10.0, 1.0)
    assert np.all(y >= -10.0 - 1e-5) and np.all(y <= 1.0 + 1e-3)
    assert jax.grad(lambda v: soft_clip(v, -10.0, 1.0))(2.0) > 0.05


def test_samples_are_inside_the_bounds_and_densities_integrate_to_one():
    low, high = jnp.array([-3.0]), jnp.array([5.0])
    distribution = SquashedNormal(jnp.array([0.4]), jnp.array([-0.3]), low, high)
    actions, density = jax.vmap(distribution.sample)(jax.random.split(jax.random.key(0), 2000))
    assert np.all(actions > -3.0) and np.all(actions < 5.0)
    again = jax.vmap(distribution.log_density)(actions)
    np.testing.assert_allclose(again, density, atol=2e-2)
    grid = jnp.linspace(-3 + 1e-3, 5 - 1e-3, 4000)[:, None]
    assert np.mean(np.exp(jax.vmap(distribution.log_density)(grid))) == pytest.approx(1.0, abs=0.01)


def test_the_frame_sees_the_same_thing_wherever_the_pair_lies():
    frame = PlanarFrame(origin=(2, 3), heading=(4, 5), points=((0, 1),))
    here = lift(frame, observation((2.0, 1.0), (1.0, 1.0), 0.0))
    turned = lift(frame, observation((5.0, 8.0), (5.0, 7.0), np.pi / 2))
    np.testing.assert_allclose(here, [1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(turned, here, atol=1e-6)


def test_turning_a_change_into_the_frame_and_back_is_the_identity():
    seen, change = observation((2.0, 1.0), (1.0, 1.0), 0.7), jnp.arange(6.0)
    assert not np.allclose(to_frame(FRAME, seen, change), change)
    np.testing.assert_allclose(from_frame(FRAME, seen, to_frame(FRAME, seen, change)), change, atol=1e-5)


def test_the_heading_gets_unit_length_and_the_rest_stays():
    fixed = normalise_heading(FRAME, jnp.array([1.0, 2.0, 3.0, 4.0, 3.0, 4.0]))
    np.testing.assert_allclose(fixed, [1.0, 2.0, 3.0, 4.0, 0.6, 0.8], atol=1e-6)


def test_features_append_what_the_frame_sees():
    spec = EnvSpec("two", {"b": ArraySpec((4,)), "a": ArraySpec((2,))}, ArraySpec((1,), low=-1.0, high=1.0), 0.1)
    layout = Layout.of(spec, owner="The test")
    features = Features.build(layout, FRAME)
    assert layout.names == ("a", "b") and features.size == 6 + 2 + 2 + 4 + 2 + 2
    split = layout.split(jnp.arange(6.0))
    np.testing.assert_array_equal(split["a"], [0.0, 1.0])
    np.testing.assert_array_equal(layout.flatten(split), jnp.arange(6.0))


def test_a_target_is_seen_from_the_body_and_closer_up():
    def seen(place, angle):
        return np.asarray(lift(FRAME, observation((0.0, 0.0), place, angle))[-4:])

    # The body's point (0.5, 0) is wanted at (2, 1): a body at (1.5, 1) that is not turned has it there.
    np.testing.assert_allclose(seen((1.5, 1.0), 0.0), np.zeros(4), atol=1e-6)
    # A quarter turn puts that point at (1.5, 1.5); the way from there to (2, 1) is (-0.5, -0.5) as the body sees it.
    np.testing.assert_allclose(seen((1.5, 1.0), np.pi / 2)[:2], [-0.5, -0.5], atol=1e-6)
    np.testing.assert_allclose(seen((1.5, 1.0), np.pi / 2)[2:], np.tanh([-1.0, -1.0]), atol=1e-6)


def test_images_are_refused_by_name():
    pixels = ArraySpec((4, 4, 3), low=0.0, high=255.0, dtype="uint8")
    spec = EnvSpec("image", {"top": pixels}, ArraySpec((1,), low=-1.0, high=1.0), 0.1)
    with pytest.raises(SpecError, match="'top'"):
        Layout.of(spec, owner="The test")
