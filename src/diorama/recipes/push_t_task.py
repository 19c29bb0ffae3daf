"""Push-T at 5 Hz with relative actions, the interface of the coupled-world-models paper (arXiv 2602.06219)."""

from diorama.envs.pusht import PushT, Relative, best_clipped_coverage, block_reached, success_coverage
from diorama.envs.pusht.scripted import ScriptedDemonstrator, ScriptedPlay
from diorama.recipes.tasks import Task

LENGTH = 150
"""Steps of an episode: 30 s at 5 Hz, as long as the published 300 steps at 10 Hz."""


def push_t(images: bool = False) -> Task:
    """gym-pusht's world; 150 steps of 0.2 s. The headline is the mean best clipped coverage."""
    observations = ("state", "features", "pixels") if images else ("state", "features")
    return Task(
        "push-t",
        lambda: PushT(Relative(), observations),
        LENGTH,
        {
            "best clipped coverage": best_clipped_coverage,
            "success (coverage > 95 %)": success_coverage,
            "block within 20 px and 20 deg": block_reached,
        },
        "best clipped coverage",
        {"play": lambda: ScriptedPlay(), "demonstrations": lambda: ScriptedDemonstrator()},
    )
