"""The tokenizer: bounded codes of the promised shape, a loss that teaches both halves, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError, SpecError, filter_grad, filter_jit
from diorama.models.tokenizer import Tokenizer, TokenizerConfig

KEY = jax.random.key(0)
PICTURE = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (8, 12, 3)), jnp.float32)
call = filter_jit(lambda function, *arguments: function(*arguments))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.build(TokenizerConfig("nano", halvings=2, channels=5), PICTURE.shape, np.random.default_rng(0))


def test_codes_are_small_and_bounded_and_lead_back_to_pictures(tokenizer):
    code = call(tokenizer.encode, 50 * PICTURE)
    assert code.shape == (2, 3, 5)
    assert np.abs(code).max() <= 1
    assert call(tokenizer.decode, code).shape == PICTURE.shape


def test_the_loss_teaches_every_layer(tokenizer):
    gradient = call(filter_grad(lambda t: t.loss(PICTURE, KEY)), tokenizer)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_noise_on_codes_costs_and_its_key_decides(tokenizer):
    first, again, other = (float(call(tokenizer.loss, PICTURE, jax.random.key(seed))) for seed in (0, 0, 1))
    assert first == again != other


def test_impossible_choices_are_refused():
    with pytest.raises(SpecError, match="halved"):
        Tokenizer.build(TokenizerConfig("nano", halvings=3), PICTURE.shape, np.random.default_rng(0))
    for wrong in ({"size": "huge"}, {"halvings": 0}, {"channels": 0}, {"noise": -0.1}):
        with pytest.raises(ConfigError):
            TokenizerConfig(**wrong)
