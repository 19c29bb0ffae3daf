import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.policies.planning_draws import Coloured, Truncated, coloured_noise

DRAWS = [Truncated(), Coloured(0.0), Coloured(2.0)]


@settings(max_examples=30, deadline=None)
@given(mean=st.floats(-1, 1, width=32), std=st.floats(1e-6, 1e3), seed=st.integers(0, 2**31 - 1))
@pytest.mark.parametrize("draw", DRAWS, ids=["truncated", "white", "coloured"])
def test_every_sample_is_inside(draw, mean, std, seed):
    samples = draw(jax.random.key(seed), 32, jnp.full((3, 2), mean, jnp.float32), jnp.full((3, 2), std, jnp.float32))
    assert samples.shape == (32, 3, 2)
    assert np.all(np.abs(samples) <= 1.0)


def test_truncation_leaves_nothing_on_a_bound_and_clipping_does():
    mean, std = jnp.full((4, 1), 0.8), jnp.full((4, 1), 0.5)
    on_bound = [float(np.mean(np.abs(draw(jax.random.key(0), 1000, mean, std)) == 1.0)) for draw in DRAWS]
    assert on_bound[0] == 0.0
    # A normal with mean 0.8 and standard deviation 0.5 lies beyond 1 with a probability of 0.345.
    assert on_bound[1] == pytest.approx(0.345, abs=0.03)


@pytest.mark.parametrize("steps", [1, 2, 7, 16])
@pytest.mark.parametrize("exponent", [0.0, 2.0])
def test_coloured_noise_has_variance_one(steps, exponent):
    noise = coloured_noise(jax.random.key(0), (20_000, steps, 1), exponent)
    np.testing.assert_allclose(np.var(noise, axis=0), 1.0, atol=0.06)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 3.0])
def test_the_spectrum_falls_with_the_exponent(exponent):
    steps = 32
    noise = coloured_noise(jax.random.key(0), (4000, steps, 1), exponent)
    power = np.mean(np.abs(np.fft.rfft(noise[..., 0], axis=1)) ** 2, axis=0)[1:]
    slope = np.polyfit(np.log(np.fft.rfftfreq(steps)[1:]), np.log(power), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.05)
