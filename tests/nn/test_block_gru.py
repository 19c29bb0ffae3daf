"""The block GRU against a plain loop over blocks, and the layers around it."""

import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError
from diorama.nn.block_gru import BlockGRU
from diorama.nn.fan_in import fan_in_normal
from diorama.nn.normed_mlp import NormedMLP
from diorama.nn.rms_norm import RMSNorm

RNG = np.random.default_rng(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(unit: BlockGRU, state: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    blocks = unit.gates.bias.shape[0]
    parts = state.reshape(blocks, -1)
    mixed = [unit.mix.weight[g] @ np.concatenate([parts[g], inputs]) + unit.mix.bias[g] for g in range(blocks)]
    mixed = np.concatenate(mixed)
    hidden = mixed / np.sqrt(np.mean(mixed**2) + 1e-4) * unit.norm.scale
    hidden = (hidden * sigmoid(hidden)).reshape(blocks, -1)
    following = []
    for g in range(blocks):
        reset, candidate, update = np.split(unit.gates.weight[g] @ hidden[g] + unit.gates.bias[g], 3)
        update = sigmoid(update - 1)
        following.append(update * np.tanh(sigmoid(reset) * candidate) + (1 - update) * parts[g])
    return np.concatenate(following)


def test_it_is_the_equations_block_by_block():
    unit = BlockGRU.build(RNG, size=12, inputs=5, blocks=4)
    state, inputs = RNG.normal(size=12).astype(np.float32), RNG.normal(size=5).astype(np.float32)
    got = unit(jnp.asarray(state), jnp.asarray(inputs))
    np.testing.assert_allclose(got, by_hand(unit, state, inputs), rtol=1e-4, atol=1e-5)


def test_blocks_must_divide_the_state():
    with pytest.raises(ConfigError, match="8 blocks do not divide a state of 12"):
        BlockGRU.build(RNG, size=12, inputs=5, blocks=8)


def test_rms_norm_has_unit_size_and_a_scale():
    x = RNG.normal(0, 30, (4, 64)).astype(np.float32)
    out = RMSNorm(jnp.full(64, 2.0))(jnp.asarray(x))
    np.testing.assert_allclose(np.sqrt(np.mean(np.asarray(out) ** 2, axis=-1)), 2.0, rtol=1e-3)
    np.testing.assert_array_equal(RMSNorm.build(64)(jnp.zeros(64)), 0.0)


def test_initial_weights_have_the_variance_of_the_fan_in():
    weight = fan_in_normal(RNG, (400, 100), 100)
    assert weight.std() == pytest.approx(0.1, rel=0.02) and np.abs(weight).max() < 0.21
    assert not fan_in_normal(RNG, (3, 2), 2, scale=0.0).any()


def test_a_network_can_start_at_zero():
    network = NormedMLP.build(RNG, (3, 8, 2), last_scale=0.0)
    np.testing.assert_array_equal(network(jnp.arange(3.0)), 0.0)
