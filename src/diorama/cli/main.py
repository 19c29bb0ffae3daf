"""The entry point. Only the requests are imported here; JAX is loaded when a verb runs."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from diorama.core.errors import DioramaError
from diorama.recipes import requests
from diorama.recipes.requests import Check, Collect, Evaluate, Fit, Import, Inspect, Run, Train

_DESCRIPTION = (
    "Learn worlds from real interaction, train policies in them, and test those policies honestly. "
    "First steps: `diorama run push-t --size nano`, then `diorama VERB --help`."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the verb, and turn expected errors into one sentence. Returns the exit code."""
    try:
        return _run(_parse(list(sys.argv[1:] if arguments is None else arguments)))
    except DioramaError as error:
        _complain(f"error: {error}")
        return 2
    except OSError as error:
        _complain(f"error: {error}; mend that and run the same command again.")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted: finished work is kept; the same command continues.")
        return 130


def _parse(arguments: list[str]) -> Any:
    data = Annotated[
        Annotated[Inspect, tyro.conf.subcommand("inspect")]
        | Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Import, tyro.conf.subcommand("import")],
        tyro.conf.arg(name=""),
    ]

    def data_verb(verb: data) -> Any:
        """Inspect, check and import datasets."""
        return verb

    verbs = {
        "run": Run,
        "collect": Collect,
        "fit": Fit,
        "train": Train,
        "evaluate": Evaluate,
        "data": data_verb,
    }
    return tyro.extras.subcommand_cli_from_dict(
        verbs,
        prog="diorama",
        description=_DESCRIPTION,
        args=arguments or ["--help"],
    )


def _run(request: Any) -> int:
    """The verb's function is imported here, not before; what only reads data needs no JAX."""
    _prepare()
    from diorama.cli import data_verbs

    light: dict[type, Callable[[Any], int]] = {
        requests.Inspect: data_verbs.inspect,
        requests.Check: data_verbs.check,
        requests.Import: data_verbs.import_,
    }
    if type(request) in light:
        return light[type(request)](request)
    from diorama.cli import verbs

    functions: dict[type, Callable[[Any], int]] = {
        requests.Collect: verbs.collect,
        requests.Fit: verbs.fit,
        requests.Train: verbs.train,
        requests.Evaluate: verbs.evaluate_policy,
        requests.Run: verbs.run,
    }
    return functions[type(request)](request)


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
