"""The command line as a table of verbs. Only requests are imported here: nothing computes and nothing is opened."""

from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from diorama.recipes import evaluation_requests as evaluation
from diorama.recipes import exam_requests as exam
from diorama.recipes import ledger_requests as ledger
from diorama.recipes import rebuild_requests as rebuild
from diorama.recipes import registry_requests as registry
from diorama.recipes import requests, studio_requests
from diorama.recipes import testing_requests as testing

_DESCRIPTION = (
    "Learn worlds from real interaction, train policies in them, and test those policies honestly. "
    "First steps: `diorama run push-t --size nano`, then `diorama VERB --help`. "
    "What is made is registered in .diorama; `diorama status` says what is stale."
)


def _group(name: str, verbs: dict[str, type], doc: str) -> Any:
    """Several verbs behind one word, such as ``data inspect``."""
    choices = [Annotated[cls, tyro.conf.subcommand(verb)] for verb, cls in verbs.items()]
    union = choices[0]
    for choice in choices[1:]:
        union = union | choice

    def verb(verb: Annotated[union, tyro.conf.arg(name="")]) -> Any:
        return verb

    verb.__doc__, verb.__name__ = doc, name
    return verb


WORK = {
    "run": requests.Run,
    "collect": requests.Collect,
    "fit": requests.Fit,
    "train": requests.Train,
    "scenarios": evaluation.Scenarios,
    "protocol": evaluation.Protocol,
    "evaluate": requests.Evaluate,
    "audit": testing.Audit,
    "exploit": exam.Exploit,
    "failures": exam.Failures,
    "gate": testing.Gate,
}
GROUPS = {
    "data": (
        {"inspect": requests.Inspect, "check": requests.Check, "import": requests.Import},
        "Inspect, check and import datasets.",
    ),
    "registry": (
        {
            "check": registry.Check,
            "gc": registry.Collection,
            "list": registry.List,
            "restore": registry.Restore,
        },
        "Look after the registry: damage, garbage, a list of what it holds.",
    ),
    "channel": (
        {"set": registry.ChannelSet, "rollback": registry.ChannelRollback, "log": registry.ChannelLog},
        "Point names such as prod at versions, and back.",
    ),
    "budget": (
        {
            "grant": ledger.BudgetGrant,
            "spend": ledger.BudgetSpend,
            "log": ledger.BudgetLog,
            "plan": testing.BudgetPlan,
            "run": testing.BudgetRun,
            "worksheet": testing.BudgetWorksheet,
            "record": testing.BudgetRecord,
            "report": testing.BudgetReport,
        },
        "Grant and spend what is scarce (queries of held-out sets, real trials, alpha); plan and record real trials.",
    ),
}
ANSWERS = {
    "status": registry.Status,
    "plan": rebuild.Plan,
    "rebuild": rebuild.Rebuild,
    "replay": rebuild.Replay,
    "patch": rebuild.Patch,
    "debt": registry.Debt,
    "lineage": registry.Lineage,
    "diff": registry.Diff,
    "explain": registry.Explain,
    "advise": registry.Advise,
    "revoke": registry.Revoke,
    "export": registry.Export,
    "import-weights": registry.ImportWeights,
    "sign": registry.Sign,
    "verify": registry.Verify,
    "studio": studio_requests.Studio,
    "report": studio_requests.Report,
}


def parse(arguments: Sequence[str]) -> Any:
    """The request of a command line. Leaves the program for ``--help`` and for what cannot be read.

    Where the first word names a verb, only that verb's parser is built.
    """
    words = list(arguments) or ["--help"]
    table = _table()
    if words[0] in table:
        return tyro.cli(table[words[0]], prog=f"diorama {words[0]}", args=words[1:])
    return tyro.extras.subcommand_cli_from_dict(table, prog="diorama", description=_DESCRIPTION, args=words)


def _table() -> dict[str, Any]:
    groups = {name: _group(name, verbs, doc) for name, (verbs, doc) in GROUPS.items()}
    return {**WORK, **groups, **ANSWERS}
