"""What the registry keeps of a decision of the gate, refusals too: an audit of the policy, and what was looked at."""

from dataclasses import asdict
from typing import Any

from diorama.core.canonical import to_json
from diorama.evaluate.gate import Decision, Evaluated, GateFacts, Release, Trials
from diorama.registry.records import Edge, Manifest

GATE = "gate"
"""The field that tells the record of a gate from the audit of an evaluation: ``passed`` or ``refused``."""


def gate_record(
    facts: GateFacts, decision: Decision, protocol: Release, claim: str = "", channel: str = ""
) -> Manifest:
    """The version to register. ``claim``, ``channel``: what the decision made and moved, "" for nothing.

    It speaks about the policy and so does not change the status of anything. The same decision on the same facts is the
    same version.
    """
    rate = decision.estimate
    fields = {
        GATE: "passed" if decision.passed else "refused",
        "protocol": asdict(protocol),
        "steps": [asdict(step) for step in decision.steps],
        "level": decision.level,
        "says": decision.claim,
        "estimate": None if rate is None else asdict(rate),
        "next": None if decision.next is None else asdict(decision.next),
        "worlds": [_world(one) for one in facts.worlds],
        "effective": facts.effective,
        "structures": facts.structures,
        "starts": facts.starts,
        "disputed": facts.disputed,
        "tried": facts.tried,
        "trials": None if facts.trials is None else _trials(facts.trials),
        "hidden": list(facts.hidden),
        "stale": list(facts.stale),
        "not_run": decision.not_run,
        "claim": claim,
        "channel": channel,
    }
    return Manifest("audit", f"{facts.name}/gate", to_json(fields), {}, (Edge("affects", facts.policy),))


def _world(one: Evaluated) -> dict[str, Any]:
    return {
        "evaluation": one.evaluation,
        "world": one.world,
        "structure": one.structure,
        "rate": asdict(one.rate),
        "verdict": "" if one.verdict is None else str(one.verdict),
        "sentence": one.audit_sentence,
    }


def _trials(trials: Trials) -> dict[str, Any]:
    return {
        "estimation": trials.estimation,
        "discovery": trials.discovery,
        "open": trials.open,
        "failures": trials.failures,
        "verdict": "" if trials.verdict is None else str(trials.verdict),
        "evaluation": trials.evaluation,
    }
