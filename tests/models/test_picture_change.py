"""A diffusion world that draws how pictures change: the way there and back, and what it shows before it learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, Window
from diorama.models import build
from diorama.models.diffusion.config import DiffusionConfig
from diorama.models.diffusion.picture_target import Change, PictureTarget

SPEC = EnvSpec("eye", {"eye": ArraySpec((8, 8, 3), "1", 0.0, 255.0, "uint8")}, ArraySpec((1,), "1", -1.0, 1.0), 0.1)


@pytest.fixture(scope="module")
def windows() -> Window:
    """Pictures of noise about grey, each of which differs from the last by up to 8 levels."""
    rng = np.random.default_rng(0)
    steps = rng.integers(-8, 9, (5, 4, 8, 8, 3))
    none = np.zeros((5, 3), bool)
    seen = {"eye": (128 + np.cumsum(steps, axis=1)).astype(np.uint8)}
    return Window(seen, rng.uniform(-1, 1, (5, 3, 1)).astype(np.float32), np.zeros((5, 3), np.float32), none, ~none)


def test_the_change_leads_to_the_next_picture(windows) -> None:
    target = PictureTarget.build(SPEC, Change(jnp.ones(()))).measured(windows)
    flats = target.flatten({"eye": windows.observation["eye"]})
    values = target.encode(flats[0, 0], flats[0, 1])
    np.testing.assert_allclose(target.decode(flats[0, 0], values), flats[0, 1], atol=1e-5)
    every = np.asarray(jax.vmap(jax.vmap(target.encode))(flats[:, :-1], flats[:, 1:]))
    assert every.std() == pytest.approx(0.5, rel=0.01), "what is drawn has the spread that the preconditioning assumes"


def test_before_it_learned_it_repeats_what_it_saw(windows) -> None:
    last = {"eye": jnp.asarray(windows.observation["eye"][0, 0])}

    def off(changes: bool) -> float:
        """How far the next picture is from the last, in levels."""
        model = build(DiffusionConfig("nano", "patches", 2, steps=1, changes=changes), SPEC, 0).measured(windows)
        following = model.step(model.start(last, jax.random.key(0)), jnp.zeros(1), jax.random.key(1))
        shown = model.read(following).observation["eye"]
        return float(np.abs(np.asarray(shown, float) - np.asarray(last["eye"], float)).mean())

    assert off(True) < 1.0 < off(False)


def test_pictures_that_never_change_are_no_division_by_zero(windows) -> None:
    still = {"eye": np.repeat(windows.observation["eye"][:, :1], 4, axis=1)}
    target = PictureTarget.build(SPEC, Change(jnp.ones(()))).measured(
        Window(still, windows.action, windows.reward, windows.end, windows.mask)
    )
    flats = target.flatten(still)
    assert np.isfinite(np.asarray(target.encode(flats[0, 0], flats[0, 1]))).all()
