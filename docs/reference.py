"""MkDocs hook: one reference page for each package, made from the docstrings, so that no list of modules goes stale."""

import pathlib

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "src" / "diorama"


def packages() -> list[str]:
    """Names of the packages under ``diorama``, in alphabetical order."""
    return sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


def page(package: str) -> str:
    """The Markdown of one package's page: the package, then each public module."""
    folder = SOURCE / package
    modules = [
        ".".join(("diorama", *path.relative_to(SOURCE).with_suffix("").parts))
        for path in sorted(folder.rglob("*.py"))
        if not path.stem.startswith("_")
    ]
    # What a package re-exports stands once, with the module that defines it.
    head = f"# {package}\n\n::: diorama.{package}\n    options:\n      members: false\n      show_root_heading: false\n"
    return head + "".join(f"\n::: {module}\n" for module in modules)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages to the navigation."""
    config.nav.append({"Reference": [{name: f"reference/{name}.md"} for name in packages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site."""
    for name in packages():
        files.append(File.generated(config, f"reference/{name}.md", content=page(name)))
    return files
