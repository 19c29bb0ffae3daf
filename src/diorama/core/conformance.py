"""What the conformance suites of `envs`, `models` and `policies` share: a report, and ways to say what is wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core.errors import ConformanceError, SpecError
from diorama.core.module import combine, is_array, partition
from diorama.core.spec import ArraySpec


@dataclass(frozen=True)
class Report:
    """Which checks ``subject`` passed, in the order in which they ran. A check that fails raises `ConformanceError`."""

    subject: str
    passed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.subject} passed {len(self.passed)} checks: {', '.join(self.passed)}."


def run_checks(subject: str, checks: Mapping[str, Callable[[Any], None]], case: Any) -> Report:
    """Run each check on ``case`` in order. The first that fails raises `ConformanceError` naming subject and check."""
    for name, check in checks.items():
        try:
            check(case)
        except ConformanceError as error:
            raise ConformanceError(f"{subject} fails the check {name!r}: {error}") from error
    return Report(subject, tuple(checks))


def expect(condition: Any, sentence: str) -> None:
    """Raise `ConformanceError` with ``sentence`` (the fault and its mend) unless ``condition`` holds."""
    if not bool(condition):
        raise ConformanceError(sentence)


def expect_spec(spec: ArraySpec, value: Any, name: str, mend: str) -> None:
    """Raise `ConformanceError` where ``value`` breaks its spec."""
    try:
        spec.check(value, name)
    except SpecError as error:
        raise ConformanceError(f"{error} {mend}") from error


def attempt(what: str, mend: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``; whatever it raises becomes a `ConformanceError` that says ``what`` failed."""
    try:
        return function(*arguments)
    except ConformanceError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise ConformanceError(f"{what} fails with {type(error).__name__}: {reason} {mend}") from error


def leaves(value: Any) -> list[np.ndarray]:
    """The arrays and numbers of a pytree as NumPy arrays; keys of JAX are given as their bits."""

    def plain(leaf: Any) -> np.ndarray:
        is_key = isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return [plain(leaf) for leaf in jax.tree.leaves(value)]


def same(first: Any, second: Any, tolerance: float = 0.0) -> bool:
    """Whether two pytrees have equal leaves, to an absolute and relative ``tolerance`` (NaN equals NaN)."""
    pairs = list(zip(leaves(first), leaves(second), strict=False))
    if len(leaves(first)) != len(leaves(second)) or any(a.shape != b.shape for a, b in pairs):
        return False
    return all(_close(a, b, tolerance) for a, b in pairs)


def _close(first: np.ndarray, second: np.ndarray, tolerance: float) -> bool:
    if first.dtype.kind not in "fc" or tolerance == 0.0:
        return np.array_equal(first, second, equal_nan=first.dtype.kind in "fc")
    return np.allclose(first, second, rtol=tolerance, atol=tolerance, equal_nan=True)


def finite(value: Any) -> bool:
    """Whether every floating-point leaf of a pytree is finite."""
    return all(np.isfinite(leaf).all() for leaf in leaves(value) if leaf.dtype.kind == "f")


def form(value: Any) -> tuple[Any, list[tuple[tuple[int, ...], str]]]:
    """The structure of a pytree with the shape and dtype of each leaf: what ``jax.lax.scan`` demands to stay."""
    kinds = [(jnp.shape(leaf), str(jnp.result_type(leaf))) for leaf in jax.tree.leaves(value)]
    return jax.tree.structure(value), kinds


def traces_alike(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether tracing ``function`` twice gives one program. Hidden state and hidden randomness give two.

    The arguments may hold things that are not arrays; what ``function`` returns must be arrays.
    """
    arrays, rest = partition(arguments, is_array)

    def trace() -> Any:
        return jax.make_jaxpr(lambda given: function(*combine(given, rest)))(arrays)

    first, second = trace(), trace()
    texts = [re.sub(r"0x[0-9a-f]+", "", str(jaxpr)) for jaxpr in (first, second)]
    return texts[0] == texts[1] and same(first.consts, second.consts)


def extremes(spec: ArraySpec, far: float = 1e3) -> dict[str, np.ndarray]:
    """The arrays at the low bound, at the high bound and in the middle; ``far`` stands for infinity."""
    low, high = (np.clip(bound, -far, far) for bound in spec.bounds())
    if np.dtype(spec.dtype).kind in "iub":
        info = (0, 1) if spec.dtype == "bool" else (np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max)
        low, high = (np.clip(bound, *info) for bound in spec.bounds())
    middle = low + 0.5 * (high - low)
    return {
        name: np.asarray(v, spec.dtype) for name, v in (("low bound", low), ("high bound", high), ("middle", middle))
    }


def random_array(spec: ArraySpec, rng: np.random.Generator, *batch: int) -> np.ndarray:
    """Uniform between the bounds, normal about zero where there are none; shape ``[*batch, *spec.shape]``."""
    ends = extremes(spec, far=np.inf) if spec.bounded else None
    shape = (*batch, *spec.shape)
    if ends is None:
        low, high = spec.bounds()
        return np.asarray(np.clip(rng.normal(size=shape), low, high), spec.dtype)
    low, high = (ends[name].astype(np.float64) for name in ("low bound", "high bound"))
    whole = np.dtype(spec.dtype).kind in "iub"
    return np.asarray(rng.integers(low, high + 1, shape) if whole else rng.uniform(low, high, shape), spec.dtype)
