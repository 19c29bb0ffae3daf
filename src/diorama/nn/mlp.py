"""Multi-layer perceptron with SiLU, for one vector or for an ensemble of networks."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.nn.initialisers import orthogonal


class Linear(Module):
    """``weight @ x + bias``."""

    weight: Float[Array, "*members out in"]
    bias: Float[Array, "*members out"]

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """Map ``[in]`` to ``[out]``."""
        return self.weight @ x + self.bias


class MLP(Module):
    """Linear, ``between``, SiLU, repeated; the last layer is linear, and a linear ``skip`` from the input joins it.

    Vectors ``[in]`` to ``[out]``; a batch is ``jax.vmap`` at the call, and so is an ensemble (over the parameters,
    see `stack`). ``between`` is `layer_norm` in actors and critics (as in SAPO, arXiv 2412.12089) and nothing in
    dynamics, where it hides how large a displacement is. The skip gives dynamics what is linear for nothing.
    """

    layers: tuple[Linear, ...]
    skip: Float[Array, "*members out in"]
    between: Callable[[Array], Array] = field(static=True)

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """Map ``[in]`` to ``[out]``."""
        hidden = x
        for layer in self.layers[:-1]:
            hidden = jax.nn.silu(self.between(layer(hidden)))
        return self.layers[-1](hidden) + self.skip @ x

    @staticmethod
    def build(
        rng: np.random.Generator,
        sizes: tuple[int, ...],
        *,
        between: Callable[[Array], Array],
        last_gain: float = 1.0,
    ) -> "MLP":
        """A network with layer ``sizes`` (input first, output last); ``last_gain`` scales the last layer's weights."""
        gains = [1.0] * (len(sizes) - 2) + [last_gain]
        pairs = zip(sizes[:-1], sizes[1:], gains, strict=True)
        layers = tuple(Linear(jnp.asarray(orthogonal(rng, (o, i), g)), jnp.zeros(o)) for i, o, g in pairs)
        return MLP(layers, jnp.zeros((sizes[-1], sizes[0])), between)

    @staticmethod
    def stack(networks: list["MLP"]) -> "MLP":
        """Several networks of one shape as one, each parameter with a leading axis of members."""
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)


def nothing(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """``x``."""
    return x


def layer_norm(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """``x`` with mean 0 and variance 1 (Ba et al. 2016, arXiv 1607.06450), without parameters."""
    centred = x - jnp.mean(x)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2) + 1e-5)
