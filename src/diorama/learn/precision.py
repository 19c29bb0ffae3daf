"""Mixed precision: matrix products in bfloat16 where the device has them, everything else in float32.

Parameters, the optimiser, normalisers, norms, losses and sums keep 24 bits of mantissa; the two operands of a matrix
product are rounded to 8, and their products are summed in float32. The range of bfloat16 is that of float32, so no loss
is scaled. Source: Kalamkar et al. 2019, "A study of bfloat16 for deep learning training" (arXiv 1905.12322).
"""

import contextlib
import functools
from contextlib import AbstractContextManager

import jax
import numpy as np

from diorama.core.errors import ConfigError

_ALGORITHM = "BF16_BF16_F32"
_SIDE = 32


def products(precision: str) -> AbstractContextManager[object]:
    """What is traced in this context, and its derivative, has matrix products of this precision.

    ``auto``: ``bfloat16`` where the device has it, else the device's default. ``float32``: float32 everywhere. Raises
    `ConfigError` where ``bfloat16`` is asked for and the device would not do it.
    """
    if precision == "float32":
        return jax.default_matmul_precision("float32")
    if has_bfloat16():
        return jax.default_matmul_precision(_ALGORITHM)
    if precision == "bfloat16":
        raise ConfigError("This device has no matrix products in bfloat16; set the precision to 'auto' or 'float32'.")
    return contextlib.nullcontext()


@functools.cache
def has_bfloat16() -> bool:
    """Whether this device rounds the operands of a product that asks for it.

    It is tried once with a number that bfloat16 does not hold: some devices refuse, others silently stay in float32.
    """
    number = np.full((_SIDE, _SIDE), 1.0 + 2.0**-10, np.float32)
    try:
        with jax.ensure_compile_time_eval(), jax.default_matmul_precision(_ALGORITHM):
            product = jax.jit(lambda a, b: a @ b)(number, np.eye(_SIDE, dtype=np.float32))
    except jax.errors.JaxRuntimeError:
        return False
    return bool(np.asarray(product)[0, 0] == 1.0)
