"""The description of a planar frame. JAX-free, because configurations hold it."""

from dataclasses import dataclass

Pair = tuple[int, int]
Place = tuple[float, float]


@dataclass(frozen=True)
class PlanarFrame:
    """Which entries of a flat observation are planar: the frame's origin and heading (cosine, sine), points, vectors.

    ``actions``: entries of the action that are a vector in the same plane. ``landmarks``: fixed points of the plane,
    such as a goal, in the unit of the points. ``wavelengths``: Fourier features of the points in the frame, in the same
    unit, which let a small network resolve the body's outline (Tancik et al. 2020, arXiv 2006.10739). ``targets``:
    points of the body, as (where it is wanted in the plane, where it is in the body's frame); how far each is off is
    seen from the body, and once more at each of the ``closeups``, ``tanh(error / closeup)``, so that a network whose
    inputs span the whole plane still resolves the last millimetres.
    """

    origin: Pair
    heading: Pair
    points: tuple[Pair, ...] = ()
    vectors: tuple[Pair, ...] = ()
    actions: tuple[Pair, ...] = ()
    landmarks: tuple[tuple[float, float], ...] = ()
    wavelengths: tuple[float, ...] = ()
    targets: tuple[tuple[Place, Place], ...] = ()
    closeups: tuple[float, ...] = ()
