"""Push-T's pictures at other sizes than 96."""

import numpy as np
import pytest

from diorama.core import SpecError
from diorama.envs.check import check_env
from diorama.envs.pusht import PushT
from diorama.envs.pusht.render import SIZE, shrunk


def _pictures(pixels: int) -> np.ndarray:
    env = PushT(observations=("pixels",), pixels=pixels)
    starts = np.array([[20.0, 20.0, 256.0, 250.0, 0.7], [300.0, 90.0, 200.0, 300.0, -2.0]])
    return env.observe(env.reset_to(starts, env.spec.scenario.default()))["pixels"]


@pytest.mark.parametrize("pixels", [8, 32, 48, 64, 96])
def test_the_spec_follows_the_size(pixels: int) -> None:
    pictures = _pictures(pixels)
    assert pictures.shape == (2, pixels, pixels, 3) and pictures.dtype == np.uint8
    assert PushT(observations=("pixels",), pixels=pixels).spec.observation["pixels"].shape == (pixels, pixels, 3)


@pytest.mark.parametrize("pixels", [32, 48])
def test_whole_shares_are_means_over_blocks(pixels: int) -> None:
    side = SIZE // pixels
    blocks = _pictures(96).reshape(2, pixels, side, pixels, side, 3).astype(np.float64).mean(axis=(2, 4))
    assert np.abs(_pictures(pixels) - blocks).max() <= 0.51


def test_broken_shares_keep_the_mean_of_the_picture() -> None:
    drawn = _pictures(96)
    np.testing.assert_allclose(shrunk(drawn, 64).mean(axis=(1, 2)), drawn.mean(axis=(1, 2)), atol=0.5)
    np.testing.assert_array_equal(shrunk(np.full((1, 96, 96, 3), 200, np.uint8), 64), 200)


def test_the_default_is_96_and_unchanged() -> None:
    np.testing.assert_array_equal(_pictures(96), shrunk(_pictures(96), 96))
    assert PushT(observations=("pixels",)).spec.observation["pixels"].shape == (96, 96, 3)


def test_small_pictures_keep_the_contract_of_worlds() -> None:
    assert check_env(PushT(observations=("state", "pixels"), pixels=16)).passed


@pytest.mark.parametrize("pixels", [7, 97])
def test_other_sizes_are_refused(pixels: int) -> None:
    with pytest.raises(SpecError, match=f"no pictures of {pixels} pixels; choose a side from 8 to 96"):
        PushT(observations=("pixels",), pixels=pixels)


def test_an_unknown_observation_is_refused() -> None:
    with pytest.raises(SpecError, match="no observation 'smell'; choose from"):
        PushT(observations=("smell",))
