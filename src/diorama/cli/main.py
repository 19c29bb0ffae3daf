"""The entry point. Only the requests are imported here; JAX is loaded when a verb that needs it runs."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from diorama import __version__
from diorama.cli.parsing import parse
from diorama.core.errors import DioramaError
from diorama.recipes import evaluation_requests as evaluation
from diorama.recipes import exam_requests as exam
from diorama.recipes import ledger_requests as ledger
from diorama.recipes import rebuild_requests as rebuild
from diorama.recipes import registry_requests as registry
from diorama.recipes import requests, studio_requests
from diorama.recipes import testing_requests as testing

_MODULES = {
    "data_verbs": {requests.Inspect: "inspect", requests.Check: "check", requests.Import: "import_"},
    "verbs": {
        requests.Collect: "collect",
        requests.Fit: "fit",
        requests.Train: "train",
        requests.Evaluate: "evaluate_policy",
        requests.Run: "run",
    },
    "registry_verbs": {
        registry.Check: "check",
        registry.Collection: "collect_garbage",
        registry.List: "list_versions",
        registry.Restore: "restore_versions",
        registry.Status: "status",
        rebuild.Plan: "plan",
        registry.Debt: "debt",
        registry.Lineage: "lineage",
        registry.Diff: "diff",
        registry.Explain: "explain",
    },
    "registry_entries": {
        registry.ChannelSet: "set_channel",
        registry.ChannelRollback: "roll_back",
        registry.ChannelLog: "channel_log",
        registry.Advise: "advise",
        registry.Revoke: "revoke",
        registry.Sign: "sign",
        registry.Verify: "verify",
        registry.Export: "export",
        registry.ImportWeights: "import_weights",
    },
    "exam_verbs": {exam.Exploit: "exploit", exam.Failures: "failures"},
    "studio_verbs": {studio_requests.Studio: "studio", studio_requests.Report: "report"},
    "evaluation_verbs": {evaluation.Scenarios: "draw_scenarios", evaluation.Protocol: "fix_protocol"},
    "ledger_verbs": {ledger.BudgetGrant: "grant", ledger.BudgetSpend: "spend", ledger.BudgetLog: "log"},
    "audit_verbs": {testing.Audit: "audit"},
    "rebuild_verbs": {rebuild.Patch: "patch", rebuild.Rebuild: "rebuild", rebuild.Replay: "replay"},
    "gate_verbs": {testing.Gate: "gate"},
    "budget_verbs": {
        testing.BudgetPlan: "plan",
        testing.BudgetRun: "run",
        testing.BudgetWorksheet: "worksheet",
        testing.BudgetRecord: "record",
        testing.BudgetReport: "report",
    },
}
"""Module of this package to the requests that it serves, and by which function: imported when one is asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the verb, and turn expected errors into one sentence. Returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        sys.stdout.write(f"diorama {__version__}\n")
        return 0
    try:
        return _run(parse(words))
    except DioramaError as error:
        _complain(f"error: {error}")
        return 2
    except BrokenPipeError:
        # Whoever reads the output, such as `head`, has read enough; what Python still holds of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        _complain(f"error: {error}; mend that and run the same command again.")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted: finished work is kept; the same command continues.")
        return 130


def _run(request: Any) -> int:
    """The verb's function is imported here, not before; what only reads data or the registry needs no JAX."""
    _prepare()
    for module, functions in _MODULES.items():
        if type(request) in functions:
            return getattr(importlib.import_module(f"diorama.cli.{module}"), functions[type(request)])(request)
    raise AssertionError(f"No verb serves a {type(request).__name__}.")


def _prepare() -> None:
    """Keep compiled programs between processes; the variables of the user's own stay."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "diorama", "jax")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("MPLBACKEND", "Agg")


def _complain(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


if __name__ == "__main__":
    sys.exit(main())
