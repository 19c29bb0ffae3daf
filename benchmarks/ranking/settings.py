"""How large the study is. ``nano`` runs in a minute, for tests; ``full`` is the one that is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST_SEED = 410_000
"""Seed of the first evaluated episode; nothing was tuned or trained on it or on those after it, and no earlier study
was looked at on them (the one before this began at 400000)."""


@dataclass(frozen=True)
class Settings:
    """Episodes of data, updates of each fit, what is trained where and until when, and what is evaluated.

    ``sizes``: of the learned worlds, fitted with the presets of `diorama fit`; ``fits``: updates in place of those.
    ``calibration``: episodes of play, and of demonstrations, by which the worlds are weighted. ``first_order``,
    ``ppo``: world to the updates at which the policy is kept. ``shaky``: noise levels of the scripted demonstrations;
    ``mixed``: noise levels of the best clone; ``planners``: samples of planners in the ensemble.
    """

    play: int = 400
    demonstrations: int = 60
    calibration: int = 24
    windows: int = 600
    table_windows: int = 60
    sizes: Mapping[str, str] = field(
        default_factory=lambda: {"diffusion": "s", "ensemble": "s", "rssm": "xs", "hybrid": "xs"}
    )
    fits: Mapping[str, int] = field(default_factory=dict)
    cloned: tuple[int, ...] = (2, 4, 8, 16, 32)
    clone: int = 1500
    first_order: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {"ensemble": (60, 240, 960), "diffusion": (60, 240, 960), "hybrid": (60, 240)}
    )
    ppo: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {"ensemble": (20, 60)})
    side_by_side: int = 32
    chunk: int = 20
    shaky: tuple[float, ...] = (0.8, 0.5, 0.2, 0.0)
    mixed: tuple[float, ...] = (0.3, 0.6)
    planners: tuple[int, ...] = (12,)
    episodes: int = 100
    length: int = 100
    batch: int = 100
    worlds: tuple[str, ...] = ("quasi-static", "mujoco", "hybrid", "diffusion", "ensemble", "rssm")


SETTINGS = {
    "full": Settings(),
    "nano": Settings(
        play=4,
        demonstrations=3,
        calibration=2,
        windows=60,
        table_windows=4,
        sizes={"ensemble": "nano"},
        fits={"ensemble": 40},
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
