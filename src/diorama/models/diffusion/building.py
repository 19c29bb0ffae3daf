"""The parts of a diffusion model, chosen once by its configuration and its spec."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import ConfigError, EnvSpec
from diorama.models.diffusion.config import PICTURE_NETWORKS, STATE_NETWORKS, DiffusionConfig
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.models.diffusion.heads import Heads, PictureHeads, VectorHeads
from diorama.models.diffusion.latent_target import LatentTarget
from diorama.models.diffusion.mlp import MLPDenoiser
from diorama.models.diffusion.patch_transformer import PatchTransformer
from diorama.models.diffusion.picture_target import Change, PictureTarget, Whole, pictures
from diorama.models.diffusion.preconditioning import Preconditioning
from diorama.models.diffusion.reader import ReaderDenoiser
from diorama.models.diffusion.samplers import Euler, Heun, Sampler, Schedule
from diorama.models.diffusion.target import Target
from diorama.models.diffusion.transformer import TransformerDenoiser
from diorama.models.diffusion.unet import UNet
from diorama.models.diffusion.vector_target import VectorTarget

SAMPLER = {"euler": Euler, "heun": Heun}
STATE_DENOISER = {"mlp": MLPDenoiser, "transformer": TransformerDenoiser, "reader": ReaderDenoiser}


class Parts(NamedTuple):
    """What `Diffusion` is made of."""

    target: Target
    preconditioning: Preconditioning
    sampler: Sampler
    denoiser: Denoiser
    heads: Heads


def build_parts(config: DiffusionConfig, spec: EnvSpec, rng: np.random.Generator) -> Parts:
    """The parts for vectors, or for pictures where any observation is one."""
    sampler = SAMPLER[config.sampler](Schedule(config.steps, high=config.noise_begin))
    if any(pictures(spec, name) for name in spec.observation):
        return _picture_parts(config, spec, rng, sampler)
    return _vector_parts(config, spec, rng, sampler)


def _vector_parts(config: DiffusionConfig, spec: EnvSpec, rng: np.random.Generator, sampler: Sampler) -> Parts:
    if config.latent is not None:
        raise ConfigError("DiffusionConfig.latent is for pictures, and this spec has vectors only; leave it out.")
    target = VectorTarget.build(spec, config.frame)
    context = _shapes(target, config.context, spec.action.size)
    network = STATE_DENOISER[_network(config, STATE_NETWORKS, "vectors")]
    denoiser = network.build(rng, config.size, target.shape[0], context)
    heads = VectorHeads.build(rng, config.size, context.now.shape[0], context.actions.shape[1])
    return Parts(target, Preconditioning(), sampler, denoiser, heads)


def _picture_parts(config: DiffusionConfig, spec: EnvSpec, rng: np.random.Generator, sampler: Sampler) -> Parts:
    drawn = Change(jnp.ones(())) if config.changes else Whole()
    target = PictureTarget.build(spec, drawn) if config.latent is None else LatentTarget.build(spec, config.latent, rng)
    context = _shapes(target, config.context, spec.action.size)
    denoiser = _picture_denoiser(config, rng, target, context)
    heads = PictureHeads.build(rng, config.size, target.shape, context.actions.shape[1])
    return Parts(target, Preconditioning(offset=config.offset_noise), sampler, denoiser, heads)


def _picture_denoiser(config: DiffusionConfig, rng: np.random.Generator, target: Target, context: Context) -> Denoiser:
    if _network(config, PICTURE_NETWORKS, "pictures") == "unet":
        return UNet.build(rng, config.size, target.shape, context, config.fold)
    return PatchTransformer.build(rng, config.size, target.shape, context, config.patch)


def _network(config: DiffusionConfig, known: tuple[str, ...], what: str) -> str:
    if config.network and config.network not in known:
        raise ConfigError(f"Network {config.network!r} is not for {what}; choose one of {list(known)}.")
    return config.network or known[0]


def _shapes(target: Target, length: int, action: int) -> Context:
    """A context of K observations; only its shapes count."""
    shapes = (length, *target.shape), (length, action), (length,)
    return jax.eval_shape(target.context, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes))
