"""How large the study is. ``nano`` runs in a minute, for tests; ``full`` is the one that is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST_SEED = 400_000
"""Seed of the first evaluated episode; nothing was tuned or trained on it or on those after it."""


@dataclass(frozen=True)
class Settings:
    """Episodes of data, updates of each fit, what is trained where and until when, and what is evaluated.

    ``first_order``, ``ppo``: world to the updates at which the policy is kept. ``shaky``: noise levels of the scripted
    demonstrations; ``mixed``: noise levels of the best clone; ``planners``: samples of planners in the ensemble.
    """

    play: int = 120
    demonstrations: int = 32
    windows: int = 600
    table_windows: int = 60
    fits: Mapping[str, int] = field(default_factory=lambda: {"diffusion": 4000, "ensemble": 2000, "hybrid": 1000})
    cloned: tuple[int, ...] = (2, 4, 8, 16, 32)
    clone: int = 1500
    first_order: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {"ensemble": (60, 240, 960), "diffusion": (60, 240, 960), "hybrid": (60, 240)}
    )
    ppo: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {"ensemble": (20, 60)})
    side_by_side: int = 32
    chunk: int = 20
    shaky: tuple[float, ...] = (0.5, 0.0)
    mixed: tuple[float, ...] = (0.3, 0.6)
    planners: tuple[int, ...] = (12,)
    episodes: int = 100
    length: int = 100
    batch: int = 50
    worlds: tuple[str, ...] = ("quasi-static", "mujoco", "hybrid", "diffusion", "ensemble")


SETTINGS = {
    "full": Settings(),
    "nano": Settings(
        play=4,
        demonstrations=3,
        windows=60,
        table_windows=4,
        fits={"diffusion": 40, "ensemble": 40, "hybrid": 40},
        cloned=(2, 3),
        clone=40,
        first_order={"ensemble": (2, 4)},
        ppo={},
        side_by_side=2,
        chunk=2,
        shaky=(),
        mixed=(0.5,),
        planners=(),
        episodes=6,
        length=12,
        batch=6,
        worlds=("quasi-static", "ensemble"),
    ),
}
