"""A class is either abstract or final, and nothing concrete is overridden (Equinox's rule, for all classes)."""

import importlib
import inspect

import pytest


def is_abstract(cls: type) -> bool:
    """Whether a method or a field of the class is still abstract."""
    return inspect.isabstract(cls) or bool(getattr(cls, "__abstractvars__", ())) or getattr(cls, "_is_protocol", False)


@pytest.fixture(scope="module")
def classes(sources) -> list[type]:
    """Every class that Diorama defines; errors may inherit from errors."""
    found = {}
    for source in sources:
        members = vars(importlib.import_module(source.module)).values()
        ours = [m for m in members if inspect.isclass(m) and m.__module__ == source.module]
        found |= {f"{c.__module__}.{c.__qualname__}": c for c in ours if not issubclass(c, BaseException)}
    return list(found.values())


def ours(cls: type) -> list[type]:
    """The classes of Diorama that a class inherits from."""
    return [base for base in cls.__mro__[1:] if base.__module__.startswith("diorama.")]


def test_nothing_inherits_from_a_concrete_class(classes) -> None:
    wrong = [f"{c.__qualname__} inherits from {b.__qualname__}" for c in classes for b in ours(c) if not is_abstract(b)]
    assert not wrong, "\n".join(wrong)


def test_nothing_concrete_is_overridden(classes) -> None:
    wrong = [
        f"{cls.__module__}.{cls.__qualname__}.{name} overrides {base.__qualname__}.{name}"
        for cls in classes
        for base in ours(cls)
        for name, member in vars(base).items()
        if inspect.isfunction(member) and name in vars(cls) and not name.startswith("__")
        if not getattr(member, "__isabstractmethod__", False)
    ]
    assert not wrong, "\n".join(wrong)
