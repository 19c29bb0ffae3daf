"""`check_env`: does a world keep the contract of `Env` or `HostEnv`? Run it on your own before anything else."""

from typing import Any

import numpy as np

from diorama.core import ConformanceError, Env, EnvSpec, HostEnv
from diorama.core.conformance import Report, expect, run_checks
from diorama.envs import check_host, check_pure


def check_env(env: Any, *, steps: int = 6, seed: int = 0) -> Report:
    """Check a world against its spec and its contract; returns which checks it passed.

    ``steps`` is the length of the short episodes that are run, ``seed`` draws their actions. The first fault raises
    `ConformanceError`, one sentence with the fault and its mend. A few seconds for a small world.
    """
    if not isinstance(env, Env | HostEnv):
        raise ConformanceError(f"{type(env).__name__} is neither an Env nor a HostEnv; derive it from one of them.")
    subject = type(env).__name__
    run_checks(subject, {"spec": _check_spec}, env)
    module = check_pure if isinstance(env, Env) else check_host
    report = run_checks(subject, module.CHECKS, module.Case(env, steps, seed))
    return Report(subject, ("spec", *report.passed))


def _check_spec(env: Any) -> None:
    spec = getattr(env, "spec", None)
    expect(isinstance(spec, EnvSpec), f"spec is {type(spec).__name__}; declare `spec: EnvSpec`.")
    expect(len(spec.action.shape) == 1, f"The action has shape {spec.action.shape}; make it a vector.")
    expect(np.dtype(spec.action.dtype).kind == "f", f"The action's dtype is {spec.action.dtype}; make it a float.")
