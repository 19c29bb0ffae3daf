"""Identification recovers a cable that is known, the residual takes up what is planted, and both on measured cables."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.envs.rope import mocap
from diorama.envs.rope.cable import Cable, Mounting, roll_out
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.least_squares import minimise
from diorama.learn.least_squares_config import LeastSquaresConfig
from diorama.learn.progress import History, Report
from diorama.models.residual.strand import Sight, Strand
from diorama.recipes.cable_correction import train
from diorama.recipes.cable_identification import batch_last, clamped, guess, mounting
from diorama.recipes.cables import Model, identified
from diorama.recipes.cables_config import CablesConfig, CorrectConfig, IdentifyConfig

VERTICES, FRAMES = 7, 32
DESCENT = LeastSquaresConfig(evidence=1e6)  # nothing is measured with noise here, so the prior may weigh little
IDENTIFY = IdentifyConfig(frames=30, windows=4, iterations=(8,), descent=DESCENT)
CORRECT = CorrectConfig(hidden=(8,), frames=(20,), updates=(40,), batch=4, chunk=20, learning_rate=(2e-2,))
CONFIG = CablesConfig(held_out=1, identify=IDENTIFY, correct=CORRECT)


def led(count: int) -> np.ndarray:
    """Cables whose clamps move smoothly, hung like an arch, before anything is simulated [N, T, V, 3]."""
    time = np.arange(FRAMES) * mocap.PERIOD
    share = np.linspace(0.0, 1.0, VERTICES)
    arch = np.stack([0.4 * share, 0 * share, -0.6 * share * (1 - share)], -1)
    phase = np.random.default_rng(0).uniform(0, 6, (count, 3))
    shift = 0.05 * np.sin(6.0 * time[None, :, None] + phase[:, None]) - 0.05 * np.sin(phase[:, None])
    return arch[None, None] + shift[:, :, None] * (1.0 + share[None, None, :, None])


def known(held: Mounting) -> Cable:
    """The cable that is to be found."""
    start = guess(VERTICES)
    return dataclasses.replace(
        start, bend=jnp.log(0.05), drag=jnp.log(0.8), curvature=jnp.full((2, VERTICES - 2), 3.0)
    ).cable(held)


@pytest.fixture(scope="module")
def recording() -> mocap.Recording:
    start = mocap.Recording("planted", np.arange(5), led(5))
    frames = batch_last(start.vertices)
    law = known(mounting(start))
    made = roll_out(law, frames[0], frames[1], clamped(frames[mocap.GIVEN :]), substeps=IDENTIFY.substeps)
    whole = jnp.concatenate([frames[: mocap.GIVEN], made])
    return mocap.Recording("planted", np.arange(5), np.asarray(whole, np.float64).transpose(3, 0, 2, 1))


def test_least_squares_find_a_minimum_and_mind_the_prior() -> None:
    data = jnp.array([1.0, 2.0, 3.0])
    config = LeastSquaresConfig(outlier=100.0, tolerance=1e-6)
    spread = {"x": jnp.asarray(10.0)}
    found = minimise(config, lambda p, d: jnp.exp(p["x"]) * d - 2.0 * d, {"x": jnp.zeros(())}, spread, data)
    np.testing.assert_allclose(found["x"], np.log(2.0), rtol=1e-3)
    narrow = {"x": jnp.asarray(1e-4)}
    held = minimise(config, lambda p, d: jnp.exp(p["x"]) * d - 2.0 * d, {"x": jnp.zeros(())}, narrow, data)
    assert abs(float(held["x"])) < 0.1


@pytest.fixture(scope="module")
def made(recording, tmp_path_factory) -> tuple[Path, Model]:
    folder = tmp_path_factory.mktemp("cables")
    return folder, identified(CONFIG, recording, folder)


def test_identification_finds_a_known_cable(made, recording) -> None:
    held = recording.split(CONFIG.held_out, CONFIG.seed)[1]
    first = Model(guess(VERTICES).cable(mounting(recording)), None, IDENTIFY.substeps)
    before, after = (mocap.score(model.predict(held), held).euclidean.mean() for model in (first, made[1]))
    assert after < 0.5 * before
    truth = known(mounting(recording))
    np.testing.assert_allclose(made[1].cable.bend.mean(), truth.bend.mean(), rtol=0.3)  # the guess is 60 % off


def test_what_a_folder_holds_is_used_again(made, recording) -> None:
    folder, law = made
    history = History()
    again = identified(CONFIG, recording, folder, progress=history)
    assert not history.reports
    np.testing.assert_array_equal(again.predict(recording), law.predict(recording))
    with pytest.raises(DataError, match="other settings"):
        identified(dataclasses.replace(CONFIG, seed=7), recording, folder)


def sight(turn: float, shift: float) -> Sight:
    frames = batch_last(led(3))
    place, speed = frames[20], (frames[20] - frames[19]) / mocap.PERIOD
    cosine, sine = np.cos(turn), np.sin(turn)
    about = jnp.asarray([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], jnp.float32)
    place, speed = (jnp.einsum("ab,bvn->avn", about, part) for part in (place, speed))
    return Sight(place + shift, speed, jnp.zeros(3), speed[:, jnp.array([1, -2])])


def test_the_network_turns_and_moves_with_the_cable() -> None:
    strand = Strand.build((8,), 0)
    assert float(jnp.abs(strand(sight(0.0, 0.0)).curvature).max()) == 0.0
    noise = jnp.asarray(np.random.default_rng(0).normal(size=strand.network.skip.shape), jnp.float32)
    strand = dataclasses.replace(strand, network=dataclasses.replace(strand.network, skip=noise))
    one, other = strand(sight(0.0, 0.0)), strand(sight(np.pi / 2, 0.3))
    turned = jnp.stack([-one.curvature[1], one.curvature[0], one.curvature[2]])
    np.testing.assert_allclose(other.curvature, turned, atol=1e-4)
    np.testing.assert_allclose(other.drag, one.drag, atol=1e-4)
    assert float(other.drag.min()) >= 0.0 and float(jnp.abs(turned).max()) > 1.0


def test_the_residual_takes_up_what_the_law_lacks_and_training_goes_on(recording, tmp_path) -> None:
    """A law that knows of no curvature is given to the training; the second half of it runs after a stop."""
    training, held = recording.split(1, 0)
    truth = known(mounting(recording))
    law = Model(dataclasses.replace(truth, curvature=0.0 * truth.curvature), None, IDENTIFY.substeps)
    seen = {"substeps": IDENTIFY.substeps, "checkpoints": Checkpoints(tmp_path)}
    history = History()

    def stop(report: Report) -> None:
        history(report)
        if len(history.reports) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CORRECT, law.cable, training, held, progress=stop, **seen)
    strand = train(CORRECT, law.cable, training, held, progress=history, **seen)
    assert history.curve("best")[0] == [CORRECT.chunk * (k + 1) for k in range(CORRECT.updates[0] // CORRECT.chunk)]
    corrected = Model(law.cable, strand, law.substeps)
    before, after = (mocap.score(model.predict(held), held).euclidean.mean() for model in (law, corrected))
    assert after < 0.8 * before


def test_measured_cables_are_followed_for_a_moment() -> None:
    path = mocap.default_folder() / "dlo3_train.npz"
    if not path.exists():
        pytest.skip(f"measured cables are not at {mocap.default_folder()}; set {mocap.FOLDER_VARIABLE}")
    whole = mocap.read_recording(path)
    few = dataclasses.replace(whole.only(slice(0, 4)), vertices=whole.vertices[:4, :FRAMES])
    law = Model(guess(few.vertices.shape[2]).cable(mounting(few)), None, IDENTIFY.substeps)
    said, copied = mocap.score(law.predict(few), few), mocap.score(mocap.copied_frame(few), few)
    assert said.euclidean.mean() < 0.5 * copied.euclidean.mean()
