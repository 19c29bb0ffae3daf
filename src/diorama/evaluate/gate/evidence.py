"""The ladder of evidence L0 to L7: what a claim on a policy's success in reality may say, and not more.

After the ladder of "How Should World Models Be Evaluated?" (arXiv 2606.15032), with the wording of Diorama's design.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LEVELS: Mapping[str, str] = {
    "L0": "it looks right in worlds",
    "L1": "one-step errors of the worlds are known",
    "L2": "open-loop errors of the worlds over a horizon are known",
    "L3": "the worlds' uncertainty is calibrated",
    "L4": "counterfactual actions change the outcome as in reality",
    "L5": "the worlds rank policies as reality does",
    "L6": "a policy trained inside works outside",
    "L7": "the statement holds with a stated confidence on a declared population, paid for by real trials",
}
"""Rung to meaning, from the lowest."""


@dataclass(frozen=True)
class Evidence:
    """What is on record.

    ``world_claims``: levels of claims on each world, by world; a rung counts where every world reaches it. ``trained``:
    whether the policy was optimised in a learned world; ``outside``: whether it was tested in reality. ``trials``: real
    trials with known inclusion probabilities, all recorded. ``audited``: whether the evaluation of these trials passed
    the audit.
    """

    world_claims: Mapping[str, str]
    trained: bool = False
    outside: bool = False
    trials: bool = False
    audited: bool = False


def evidence_level(evidence: Evidence) -> str:
    """The highest rung that the evidence reaches. Nothing in worlds alone reaches L6, and nothing unaudited L7."""
    if evidence.trials and evidence.audited:
        return "L7"
    if evidence.outside and evidence.trained and evidence.audited:
        return "L6"
    rungs = list(LEVELS)
    below = [min(rungs.index(level), rungs.index("L5")) for level in evidence.world_claims.values()]
    return rungs[min(below, default=0)]
