"""The layers of the denoising networks."""

import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError, filter_jit
from diorama.models.diffusion.patch_transformer import Patches
from diorama.nn.attention import AdaptiveBlock, Attention
from diorama.nn.fourier import waves_of
from diorama.nn.group_norm import AdaptiveGroupNorm, group_norm

RNG = np.random.default_rng(0)
call = filter_jit(lambda function, *arguments: function(*arguments))


def test_waves_resolve_a_scalar_and_lie_on_circles():
    here, near = waves_of(jnp.asarray(0.3), 32), waves_of(jnp.asarray(0.31), 32)
    np.testing.assert_allclose(here[:16] ** 2 + here[16:] ** 2, 1.0, atol=1e-5)
    assert 0.05 < np.linalg.norm(here - near) < 1.0


def test_group_norm_norms_each_group_over_the_picture():
    picture = jnp.asarray(RNG.normal(3.0, 2.0, (4, 6, 8)) * np.repeat([1.0, 9.0], 4), jnp.float32)
    groups = np.asarray(group_norm(picture, 2)).reshape(24, 2, 4)
    np.testing.assert_allclose(groups.mean(axis=(0, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(groups.std(axis=(0, 2)), 1.0, atol=1e-3)
    assert not np.allclose(group_norm(picture, 1), group_norm(picture, 2), atol=0.1)


def test_the_condition_scales_and_shifts():
    norm = AdaptiveGroupNorm.build(4, 2)
    picture = jnp.asarray(RNG.normal(size=(4, 4, 4)), jnp.float32)
    np.testing.assert_allclose(call(norm, picture, jnp.ones(2)), group_norm(picture, 1), atol=1e-6)
    weight = jnp.concatenate([jnp.full((4, 2), 1.0), jnp.full((4, 2), 0.5)])
    moved = AdaptiveGroupNorm(type(norm.modulate)(weight, jnp.zeros(8)), 1)
    np.testing.assert_allclose(call(moved, picture, jnp.ones(2)), 3 * group_norm(picture, 1) + 1, atol=1e-5)


def test_attention_does_not_know_the_order_of_tokens():
    attention, tokens = (
        Attention.build(np.random.default_rng(0), 8, 2),
        jnp.asarray(RNG.normal(size=(5, 8)), jnp.float32),
    )
    order = np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(call(attention, tokens[order]), call(attention, tokens)[order], atol=1e-5)
    changed = tokens.at[0].add(1.0)
    assert not np.allclose(call(attention, changed)[4], call(attention, tokens)[4], atol=1e-3)
    with pytest.raises(ConfigError, match="heads"):
        Attention.build(np.random.default_rng(0), 8, 3)


def test_attention_to_one_token_is_two_linear_maps():
    attention, token = Attention.build(np.random.default_rng(0), 8, 2), jnp.asarray(RNG.normal(size=8), jnp.float32)
    value = (attention.enter.weight @ token)[16:]
    np.testing.assert_allclose(call(attention, token[None])[0], attention.leave.weight @ value, atol=1e-5)


def test_a_block_begins_as_the_identity_and_its_condition_opens_it():
    block, tokens = (
        AdaptiveBlock.build(np.random.default_rng(0), 8, 2, 3),
        jnp.asarray(RNG.normal(size=(4, 8)), jnp.float32),
    )
    np.testing.assert_array_equal(call(block, tokens, jnp.ones(3)), tokens)
    gates = jnp.asarray(RNG.normal(size=(48, 3)), jnp.float32)
    opened = AdaptiveBlock(type(block.modulate)(gates, jnp.zeros(48)), block.attention, block.widen, block.narrow)
    assert not np.allclose(call(opened, tokens, jnp.ones(3)), call(opened, tokens, -jnp.ones(3)), atol=0.1)


def test_patches_are_cut_and_joined():
    picture = jnp.arange(4 * 6 * 3.0).reshape(4, 6, 3)
    patches = Patches(2)
    cut = patches.cut(picture)
    assert cut.shape == (6, 12)
    np.testing.assert_array_equal(cut[1], picture[:2, 2:4].reshape(-1))
    np.testing.assert_array_equal(patches.join(cut, picture.shape), picture)
