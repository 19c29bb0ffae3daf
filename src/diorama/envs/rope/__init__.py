"""Ropes, cables and wires: discrete elastic rods with contact and gradients. Names load on first use."""

import importlib
from typing import Any

_MODULE_OF = {
    "Bodies": "together",
    "Body": "bodies",
    "BodyConfig": "env_config",
    "BodyState": "bodies",
    "Contact": "contact",
    "Execution": "execution",
    "GripConfig": "env_config",
    "Handles": "handles",
    "Hysteresis": "hysteresis",
    "Implicit": "execution",
    "Kernel": "execution",
    "Load": "statics",
    "Newton": "newton",
    "Plasticity": "plasticity",
    "Readable": "execution",
    "Rod": "rod",
    "RodConfig": "config",
    "RodState": "rod",
    "Rope": "env",
    "RopeConfig": "env_config",
    "RopeState": "env",
    "Surroundings": "surroundings",
    "Scheme": "integrator",
    "Ties": "bodies",
    "Together": "together",
    "at_rest": "rod",
    "ball": "bodies",
    "best": "execution",
    "bolt": "bodies",
    "brick": "bodies",
    "constant": "execution",
    "elastic_energy": "energy",
    "elastic_forces": "forces",
    "equilibrium": "statics",
    "implicit_step": "implicit",
    "joined": "rod",
    "make_rod": "rod",
    "ring": "rod",
    "simulate": "integrator",
    "simulate_together": "together",
    "still": "bodies",
    "straight": "rod",
    "substep": "integrator",
    "total_energy": "energy",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"diorama.envs.rope has no name {name!r}")
    return getattr(importlib.import_module(f"diorama.envs.rope.{_MODULE_OF[name]}"), name)
