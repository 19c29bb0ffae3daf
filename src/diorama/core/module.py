"""The Equinox names that Diorama uses. Equinox is imported in this file only.

A `Module` is a frozen dataclass that is a pytree. A class is either abstract or final.
"""

from equinox import (
    AbstractVar,
    Module,
    combine,
    field,
    filter_grad,
    filter_jit,
    filter_value_and_grad,
    filter_vmap,
    is_array,
    is_inexact_array,
    partition,
    tree_at,
)

__all__ = [
    "AbstractVar",
    "Module",
    "combine",
    "field",
    "filter_grad",
    "filter_jit",
    "filter_value_and_grad",
    "filter_vmap",
    "is_array",
    "is_inexact_array",
    "partition",
    "tree_at",
]
