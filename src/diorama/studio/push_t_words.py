"""What the report of a Push-T run says about the kind of run it is: on eight numbers of state, or on pictures."""

from typing import NamedTuple

from diorama.recipes.coupled_config import CoupledConfig


class Words(NamedTuple):
    """Title, story, what the run was told, how its films are drawn, and the name of the loop on the command line."""

    title: str
    story: str
    told: str
    drawn: str
    loop: str


STATE = Words(
    "Push-T: trained between learned worlds, tested in reality",
    "Push-T: a round tool (blue) pushes a T-shaped block (grey) onto a target (green). The policy learned between two "
    "learned worlds: all that it was trained on was imagined by the global one, and all derivatives came from the "
    "local one. Reality is gym-pusht's physics here. The policy saw no demonstration of the task.",
    "What it was told: the goal, through an analytic reward on imagined observations (how far the block's corners are "
    "from where they belong) and its place among the policy's inputs; that no imagined world ends; and the geometry of "
    "a plane: worlds and policy see positions in the block's own frame. The scripted play is no aimless motion either: "
    "it seeks the block, pushes it, and in 40 % of its stretches aims at a pose near the goal. Worlds and policy were "
    "given no physics and no plan.",
    "It imagines positions; one painter draws both.",
    "push-t",
)
PIXELS = Words(
    "Push-T from pictures: trained between learned worlds, tested in reality",
    "Push-T: a round tool (blue) pushes a T-shaped block (grey) onto a target (green). Worlds and policy see small "
    "pictures and nothing else. The policy learned between two learned worlds: all that it was trained on was drawn by "
    "the global one, a diffusion model; all derivatives came from the local one, a recurrent latent model, and the "
    "policy sees what that one believes of the pictures, in imagination and in reality. Reality is gym-pusht's physics "
    "here. The policy saw no demonstration of the task.",
    "What it was told: the goal, which is in every picture, and the reward. The reward in imagination is a learned "
    "head of the global world. It was fitted to labels in the real data, and the labels are a dense function of the "
    "true poses (how far the block's corners are from where they belong), which the simulator knows and the pictures "
    "only show; neither worlds nor policy see a pose. That no imagined world ends was told too. The scripted play is "
    "no aimless motion either: it reads poses, seeks the block, pushes it, and in 40 % of its stretches aims at a pose "
    "near the goal. Worlds and policy were given no geometry, no physics and no plan.",
    "Both are shown as the pictures that they are, enlarged.",
    "push-t-pixels",
)


def words_of(config: CoupledConfig) -> Words:
    """The words for a run."""
    return STATE if config.task == "push-t" else PIXELS
