"""Imports only go down the table of the house; light modules stay light; ``diorama --help`` loads little.

`make lint` holds the order of the layers a second time, through chains of imports (``pyproject.toml``).
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"

BELOW_LEARN = {"core", "nn", "data", "models", "imagine", "policies"}
EVERYTHING = BELOW_LEARN | {"registry", "envs", "learn", "evaluate", "exam"}
MAY_IMPORT = {
    "core": set(),
    "nn": {"core"},
    "registry": {"core"},
    "data": {"core", "registry"},
    "envs": {"core"},
    "models": {"core", "nn"},
    "imagine": {"core"},
    "policies": {"core", "nn", "imagine"},
    "learn": BELOW_LEARN,
    "evaluate": {"core", "data", "envs", "imagine", "policies"},
    "exam": {"core", "data", "envs", "models", "imagine"},
    "recipes": EVERYTHING,
    "studio": EVERYTHING | {"recipes"},
    "cli": EVERYTHING | {"recipes", "studio"},
}
HEAVY = ("jax", "jaxlib", "equinox", "optax", "torch", "mujoco", "pygame", "pymunk", "cv2", "matplotlib")


def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python code in a new interpreter that sees ``src``."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60)


def test_every_package_has_a_place_in_the_table() -> None:
    folders = {path.name for path in (SOURCE / "diorama").iterdir() if any(path.glob("*.py"))}
    assert folders - set(MAY_IMPORT) == set()


def test_every_package_says_what_it_is() -> None:
    folders = {path.parent for path in (SOURCE / "diorama").rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_imports_only_go_down_the_table(sources) -> None:
    wrong = []
    for source in sources:
        allowed = {source.package} | MAY_IMPORT.get(source.package, set())
        for line, name in source.imports():
            parts = name.split(".")
            if parts[0] == "diorama" and len(parts) > 1 and parts[1] in MAY_IMPORT and parts[1] not in allowed:
                wrong.append(f"{source.at(line)}: {source.package or 'diorama'} may not import {name}")
    assert not wrong, "\n".join(wrong)


def test_equinox_is_imported_in_one_file(sources) -> None:
    users = {source.module for source in sources for _, name in source.imports() if name.split(".")[0] == "equinox"}
    assert users == {"diorama.core.module"}


def light_modules(sources) -> list[str]:
    """What must import without JAX: core errors and specs, every ``config.py``, the registry, the command line."""
    named = {"diorama", "diorama.core", "diorama.core.errors", "diorama.core.spec", "diorama.cli", "diorama.cli.main"}
    by_place = {s.module for s in sources if s.package == "registry" or s.path.name == "config.py"}
    return sorted(named | by_place)


def test_light_modules_import_without_jax(sources) -> None:
    code = (
        "import importlib, sys\n"
        f"heavy = {HEAVY!r}\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    loaded = [h for h in heavy if h in sys.modules]\n"
        "    assert not loaded, f'{name} imports {loaded}'\n"
    )
    result = run(code, *light_modules(sources))
    assert result.returncode == 0, result.stderr


HELP = "import sys; sys.argv = ['diorama', '--help']; from diorama.cli.main import main; main()"


def test_help_loads_nothing_heavy() -> None:
    after = (
        "import atexit, sys\n"
        f"heavy = {HEAVY!r}\n"
        "atexit.register(lambda: sys.stderr.write('LOADED ' + ' '.join(h for h in heavy if h in sys.modules)))\n"
    )
    result = run(after + HELP)
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout.lower()
    assert result.stderr.strip() == "LOADED"
