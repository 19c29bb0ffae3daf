"""Train what a cable's law lacks through the simulation: windows from random moments, horizons that grow.

Logged: ``loss`` (mean distance [cm] of free vertices in the windows), ``gradient_norm``, ``held_out`` (the same over
the whole of the held-out trajectories, which is what the published measure looks at) and ``best``.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Metrics, filter_jit, filter_value_and_grad
from diorama.envs.rope.cable import Cable, Correction, Corrector, Seen, led, roll_out
from diorama.envs.rope.mocap import CLAMPED, GIVEN, Recording
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.fitting import Kept
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, copied, cosine, descend, fresh, parameters
from diorama.models.residual.strand import Sight, Strand
from diorama.recipes.cable_identification import batch_last, clamped
from diorama.recipes.cables_config import CorrectConfig

_SMOOTH = 1e-8
_CENTIMETRES = 100.0


def corrector(strand: Strand | None) -> Corrector | None:
    """The network as the simulator asks for it; None corrects nothing."""
    if strand is None:
        return None

    def correct(seen: Seen) -> Correction:
        clamps = led(seen.position, seen.target)[:, jnp.array([CLAMPED - 1, -CLAMPED])]
        said = strand(Sight(seen.position, seen.velocity, seen.twist, clamps))
        return Correction(said.curvature, said.drag)

    return correct


def distance(cable: Cable, strand: Strand | None, frames: Float[Array, "T 3 V N"], substeps: int) -> Float[Array, " N"]:
    """The mean distance [cm] of the free vertices from ``frames``, open loop from the first two on."""
    said = roll_out(cable, frames[0], frames[1], clamped(frames[GIVEN:]), substeps=substeps, correct=corrector(strand))
    error = (said - frames[GIVEN:])[:, :, CLAMPED:-CLAMPED]
    return _CENTIMETRES * jnp.mean(jnp.sqrt(jnp.sum(error**2, 1) + _SMOOTH), (0, 1))


def train(
    config: CorrectConfig,
    cable: Cable,
    training: Recording,
    held_out: Recording,
    *,
    substeps: int,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
) -> Strand:
    """The network with the lowest held-out distance. Resumes from what ``checkpoints`` holds.

    It begins as one that corrects nothing, so on the held-out trajectories it is never worse than the law alone.
    """
    watch = batch_last(held_out.vertices)
    strand = Strand.build(config.hidden, config.seed)
    for stage in range(len(config.frames)):
        place = Checkpoints(checkpoints.folder / f"stage-{stage + 1}") if checkpoints else None
        strand = _stage(config, stage, (cable, strand), training, watch, substeps, progress, place)
    return strand


def _stage(
    config: CorrectConfig,
    stage: int,
    made: tuple[Cable, Strand],
    training: Recording,
    watch: Array,
    substeps: int,
    progress: Progress,
    checkpoints: Checkpoints | None,
) -> Strand:
    cable, strand = made
    optimiser = _optimiser(config, stage)
    kept = Kept(strand, _held_out(cable, strand, watch, substeps), jnp.zeros(()), None)
    state = fresh(strand, optimiser.init(parameters(strand)), config.seed, kept)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    total, done = config.updates[stage], int(state.cursor)
    clock = Clock(f"residual {stage + 1}", total, progress)
    while done < total and float(state.extra.stale) < config.patience:
        windows = _windows(config, stage, training, done)
        state, metrics = _chunk((config, stage, cable, substeps), windows, state)
        state, seen = _judge(state, _held_out(cable, state.learned, watch, substeps))
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        clock.report(done, {name: float(value) for name, value in (metrics | seen).items()})
    return copied(state.extra.model)


def _windows(config: CorrectConfig, stage: int, training: Recording, done: int) -> Float[Array, "U T 3 V B"]:
    """The windows of the next chunk; they depend on the seed, the stage and ``done`` only."""
    rng = np.random.default_rng([config.seed, stage, done])
    length = min(config.frames[stage] + GIVEN, training.vertices.shape[1])
    windows = training.windows(rng, config.chunk * config.batch, length)
    picked = windows.reshape(config.chunk, config.batch, *windows.shape[1:]).transpose(0, 2, 4, 3, 1)
    return jnp.asarray(picked, jnp.float32)


@filter_jit
def _chunk(given: tuple, windows: Array, state: TrainState) -> tuple[TrainState, Metrics]:
    config, stage, cable, substeps = given
    optimiser = _optimiser(config, stage)

    def body(state: TrainState, batch: Array) -> tuple[TrainState, Metrics]:
        def loss(strand: Strand) -> Array:
            return jnp.mean(distance(cable, strand, batch, substeps))

        value, gradient = filter_value_and_grad(loss)(state.learned)
        strand, moments, norm = descend(optimiser, state.learned, gradient, state.optimiser)
        following = TrainState(strand, moments, state.key, state.cursor + 1, state.extra)
        return following, {"loss": value, "gradient_norm": norm}

    state, metrics = jax.lax.scan(body, state, windows)
    return state, jax.tree.map(jnp.mean, metrics)


def _judge(state: TrainState, loss: Array) -> tuple[TrainState, Metrics]:
    best = state.extra
    better = bool(loss < best.loss)
    kept = Kept(state.learned if better else best.model, jnp.minimum(loss, best.loss), best.stale + 1.0, None)
    if better:
        kept = Kept(kept.model, kept.loss, jnp.zeros(()), None)
    return TrainState(state.learned, state.optimiser, state.key, state.cursor, kept), {
        "held_out": loss,
        "best": kept.loss,
    }


@filter_jit
def _held_out(cable: Cable, strand: Strand, watch: Array, substeps: int) -> Array:
    return jnp.mean(distance(cable, strand, watch, substeps))


def _optimiser(config: CorrectConfig, stage: int):
    rate = cosine(config.learning_rate[stage], config.chunk, config.updates[stage])
    return adam(rate, config.gradient_norm, config.weight_decay)
