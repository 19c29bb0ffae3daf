"""The same episodes and the same clips for every loader. NumPy only: it runs in both virtual environments."""

from pathlib import Path
from typing import Any

import numpy as np

FPS = 10
CLIP = 4
"""Steps (pictures) of a clip."""


def make_episodes(path: Path, episodes: int, steps: int, side: int, seed: int = 0) -> None:
    """Write ``episodes.npz``: state and action float32 [E, T, 2], pictures uint8 [E, T, side, side, 3].

    A disc follows a smooth path over a textured ground, with a little sensor noise.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(steps)[:, None] / steps
    state, pictures = [], []
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    for _ in range(episodes):
        phase, speed, ground = rng.uniform(0, 6.3, 2), rng.uniform(2, 9, 2), rng.uniform(60, 190, (1, 1, 3))
        place = (0.5 + 0.35 * np.sin(phase + speed * t)).astype(np.float32)
        texture = ground + 30 * np.sin(20 * x + phase[0])[..., None] * np.cos(17 * y + phase[1])[..., None]
        near = np.hypot(x - place[:, 0, None, None], y - place[:, 1, None, None]) < 0.12
        frames = np.where(near[..., None], np.float32([230, 60, 40]), texture.astype(np.float32))
        frames += rng.normal(0, 1, frames.shape).astype(np.float32)
        state.append(place)
        pictures.append(np.clip(frames, 0, 255).astype(np.uint8))
    states = np.stack(state)
    action = np.diff(states, axis=1, append=states[:, -1:])
    np.savez(path, state=states, action=action, pictures=np.stack(pictures))


def load_episodes(path: Path) -> dict[str, np.ndarray]:
    """The arrays that `make_episodes` wrote."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def drawn(batches: int, batch: int, episodes: int, steps: int, seed: int) -> np.ndarray:
    """Clip numbers [batches, batch]; clip k of an episode begins at its step k, ``steps - CLIP + 1`` to an episode."""
    return np.random.default_rng(seed).integers(0, episodes * (steps - CLIP + 1), (batches, batch))


def error(batch: dict[str, Any], numbers: np.ndarray, truth: dict[str, np.ndarray]) -> dict[str, float]:
    """How far one batch is from the truth: largest state error, mean picture error in [0, 255].

    Pictures may be uint8 or float in [0, 1], channels first or last.
    """
    per_episode = truth["state"].shape[1] - CLIP + 1
    episode, start = np.divmod(numbers, per_episode)
    rows = start[:, None] + np.arange(CLIP)
    found = {"state": float(np.abs(np.asarray(batch["state"]) - truth["state"][episode[:, None], rows]).max())}
    if "pictures" in batch:
        pictures = np.asarray(batch["pictures"])
        pictures = np.moveaxis(pictures, 2, -1) if pictures.shape[2] == 3 else pictures
        pictures = pictures * 255.0 if pictures.dtype.kind == "f" else pictures.astype(np.float64)
        found["pictures"] = float(np.abs(pictures - truth["pictures"][episode[:, None], rows]).mean())
    return found
