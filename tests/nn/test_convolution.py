"""The convolution equals XLA's own, forward and backward, and never takes the gradient that XLA makes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError
from diorama.nn.convolution import Convolution, depth_to_space, space_to_depth

RNG = np.random.default_rng(0)
PICTURES = RNG.normal(size=(2, 6, 10, 3)).astype(np.float32)


def reference(weight, bias, pictures, stride):
    around = ((1, 1), (1, 1))
    kinds = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(pictures, weight, (stride, stride), around, dimension_numbers=kinds) + bias


@pytest.mark.parametrize(("stride", "shape"), [(1, (2, 6, 10, 5)), (2, (2, 3, 5, 5))])
def test_values_and_gradients_are_those_of_a_convolution(stride, shape):
    layer = Convolution.build(RNG, 3, 5, stride=stride)
    goal = jnp.asarray(RNG.normal(size=shape), jnp.float32)

    def ours(weight, pictures):
        return jnp.sum(goal * jax.vmap(Convolution(weight, layer.bias, stride))(pictures))

    def theirs(weight, pictures):
        return jnp.sum(goal * reference(weight, layer.bias.reshape(1, 1, 1, -1), pictures, stride))

    given = (layer.weight, jnp.asarray(PICTURES))
    for got, wanted in zip(
        *(jax.tree.leaves(jax.value_and_grad(f, (0, 1))(*given)) for f in (ours, theirs)), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_every_convolution_of_xla_goes_forwards(stride):
    """The guard against the trap: the gradient that XLA makes is 20 to 50 times slower inside a scan on a CPU."""
    layer = Convolution.build(RNG, 3, 4, stride=stride)
    gradient = jax.jit(
        jax.grad(lambda weight, p: (jax.vmap(Convolution(weight, layer.bias, stride))(p) ** 2).sum(), (0, 1))
    )
    program = gradient.lower(layer.weight, jnp.asarray(PICTURES)).as_text().splitlines()
    found = [line for line in program if "stablehlo.convolution" in line]
    assert len(found) == 2
    for line in found:
        assert "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]" in line and "stride = [1, 1]" in line
        assert "lhs_dilate = [1, 1]" in line and "rhs_dilate = [1, 1]" in line
        assert "batch_group_count = 1 " in line and "feature_group_count = 1 " in line


def test_the_products_of_some_channels_add_up():
    layer, picture = Convolution.build(RNG, 3, 4, stride=1), jnp.asarray(PICTURES[0])
    parts = layer.of_channels(None, 1)(picture[..., :1]) + layer.of_channels(1, None).product(picture[..., 1:])
    np.testing.assert_allclose(parts, layer(picture), atol=1e-5)


def test_depth_to_space_undoes_space_to_depth():
    picture = jnp.asarray(PICTURES[0])
    deep = space_to_depth(picture)
    assert deep.shape == (3, 5, 12)
    np.testing.assert_array_equal(deep[1, 2, :3], picture[2, 4])
    np.testing.assert_array_equal(deep[1, 2, 9:], picture[3, 5])
    np.testing.assert_array_equal(depth_to_space(deep), picture)
    wide = jnp.arange(6 * 9 * 2.0).reshape(6, 9, 2)
    assert space_to_depth(wide, 3).shape == (2, 3, 18)
    np.testing.assert_array_equal(space_to_depth(wide, 3)[1, 2, 2:4], wide[3, 7])
    np.testing.assert_array_equal(depth_to_space(space_to_depth(wide, 3), 3), wide)
    np.testing.assert_array_equal(space_to_depth(wide, 1), wide)


def test_other_strides_are_refused():
    with pytest.raises(ConfigError, match="stride 3"):
        Convolution.build(RNG, 3, 4, stride=3)
