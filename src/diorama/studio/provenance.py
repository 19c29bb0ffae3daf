"""Where a figure comes from: the command, the commit, the machine."""

import os
import platform
import subprocess
from pathlib import Path

import jax

from diorama import __version__


def provenance() -> dict[str, str]:
    """Version and commit of Diorama, of Python and JAX, and the kind of machine, as texts."""
    device = jax.devices()[0]
    return {
        "diorama": f"{__version__} ({_commit()})",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, JAX on {device.platform}",
    }


def _commit() -> str:
    """The commit of the source tree, or that there is none (an installed package)."""
    root = Path(__file__).parents[3]
    try:
        run = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "no commit known"
    return run.stdout.strip() or "no commit known"
