"""The description of a planar frame. JAX-free, because configurations hold it."""

from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class PlanarFrame:
    """Which entries of a flat observation are planar: the frame's origin and heading (cosine, sine), points, vectors.

    ``actions``: entries of the action that are a vector in the same plane. ``landmarks``: fixed points of the plane,
    such as a goal, in the unit of the points. ``wavelengths``: Fourier features of the points in the frame, in the same
    unit, which let a small network resolve the body's outline (Tancik et al. 2020, arXiv 2006.10739).
    """

    origin: Pair
    heading: Pair
    points: tuple[Pair, ...] = ()
    vectors: tuple[Pair, ...] = ()
    actions: tuple[Pair, ...] = ()
    landmarks: tuple[tuple[float, float], ...] = ()
    wavelengths: tuple[float, ...] = ()
