"""What both sides plan with: the budgets of each row, the shapes of the network, its weights. NumPy only."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

LATENT, HIDDEN, ACTION, SIMPLEX = 512, 512, 6, 8
"""Sizes of TD-MPC2's 5M model: latent, hidden layers, SimNorm's groups; an action of 6, as of a walker."""
HEADS = {"dynamics": LATENT, "reward": 1, "value": 1}


@dataclass(frozen=True)
class Setting:
    """A row: which planner at which budget. For a planner by derivatives ``samples`` are its restarts."""

    planner: str
    samples: int
    rounds: int
    elites: int
    horizon: int
    worlds: int = 1


# 300 x 30 x 5 with 30 elites is what DINO-WM and LeWM plan with, 512 x 6 x 3 with 64 elites is TD-MPC2's.
SETTINGS = {
    "cem": Setting("cem", 300, 30, 30, 5),
    "cem, 8 worlds": Setting("cem", 300, 10, 30, 5, 8),
    "mppi": Setting("mppi", 300, 30, 30, 5),
    "icem": Setting("icem", 300, 10, 30, 5),
    "gradient": Setting("gradient", 4, 20, 1, 5),
    "mppi of TD-MPC2": Setting("mppi", 512, 6, 64, 3),
}
PEERS = {
    "cem": ["stable-worldmodel CEMSolver"],
    "cem, 8 worlds": ["stable-worldmodel CEMSolver"],
    "mppi": ["stable-worldmodel MPPISolver"],
    "icem": ["stable-worldmodel ICEMSolver"],
    "gradient": ["stable-worldmodel GradientSolver, Adam"],
    "mppi of TD-MPC2": ["TD-MPC2 _plan", "TD-MPC2 _plan, torch.compile"],
}
OURS = "diorama"


def write_weights(path: Path, seed: int = 0) -> None:
    """Random weights of three heads of two hidden layers each, and a state to start from, as one ``.npz``."""
    rng, arrays = np.random.default_rng(seed), {}
    for head, out in HEADS.items():
        seen = LATENT if head == "value" else LATENT + ACTION
        for layer, (wide, deep) in enumerate(((HIDDEN, seen), (HIDDEN, HIDDEN), (out, HIDDEN))):
            arrays[f"{head}.{layer}.weight"] = rng.normal(0, deep**-0.5, (wide, deep)).astype(np.float32)
            arrays[f"{head}.{layer}.bias"] = np.zeros(wide, np.float32)
    raw = np.exp(rng.normal(size=(LATENT // SIMPLEX, SIMPLEX)))
    arrays["start"] = (raw / raw.sum(-1, keepdims=True)).reshape(-1).astype(np.float32)
    np.savez(path, **arrays)


def known_plans(setting: Setting) -> np.ndarray:
    """Plans ``[16, T, A]`` whose scores both sides must agree on."""
    return np.random.default_rng(1).uniform(-1, 1, (16, setting.horizon, ACTION)).astype(np.float32)
