"""Policies of any framework in Diorama's worlds, and Diorama's policies in anyone's."""

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diorama.core import EnvSpec, HostPolicy, Policy, SpecError, as_host_policy
from diorama.core.errors import ConfigError, DioramaError
from diorama.core.policy import Memory

Convert = Callable[[np.ndarray], Any]


class Foreign(HostPolicy):
    """A callable of another framework as a `HostPolicy`; made by `from_callable`."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        spec: EnvSpec,
        batched: bool,
        convert: Convert,
        begin: Callable[[np.ndarray], Any] | None,
        named: bool = False,
    ) -> None:
        self.spec, self._named = spec, named
        self._function, self._batched, self._convert, self._begin = function, batched, convert, begin

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> None:
        """Tell the callable that episodes begin. Raises `SpecError` where the world is not the one it was made for."""
        checked = {"observation": spec.observation, "action": spec.action}
        for name, theirs in checked.items():
            if not (self._named and name == "observation") and theirs != getattr(self.spec, name):
                raise SpecError(
                    f"This policy was made for another {name} than that of {spec.name!r}; give its own spec."
                )
        if self._begin is not None:
            self._begin(seeds)

    def act(self, memory: None, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, None]:
        """See `HostPolicy.act`."""
        count = len(next(iter(observation.values())))
        if self._batched:
            action = self._answer(observation)
        else:
            rows = [{name: array[world] for name, array in observation.items()} for world in range(count)]
            action = np.stack([self._answer(row) for row in rows])
        if action.shape != (count, *self.spec.action.shape):
            expected = (count, *self.spec.action.shape) if self._batched else self.spec.action.shape
            otherwise = "" if self._named else f", or change batched={self._batched}"
            raise SpecError(
                f"The callable's actions for {count} worlds have shape {action.shape}; "
                f"return {expected} a call{otherwise}."
            )
        return action.astype(self.spec.action.dtype), None

    def _answer(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        names = observation if self._named else self.spec.observation
        given = {name: self._convert(observation[name]) for name in names}
        alone = len(given) == 1 and not self._named
        return to_numpy(self._called(next(iter(given.values())) if alone else given))

    def _called(self, given: Any) -> Any:
        if not self._named:
            return self._function(given)
        try:
            return self._function(given)
        except DioramaError:
            raise
        except Exception as error:
            # From a file of a user's own: what went wrong is in there, not in Diorama.
            line = traceback.extract_tb(error.__traceback__)[-1]
            raise ConfigError(
                f"The policy failed with {type(error).__name__}: {error} ({line.filename}, line {line.lineno}); "
                "mend it. Finished work is kept."
            ) from error


def from_callable(
    function: Callable[[Any], Any],
    spec: EnvSpec,
    *,
    batched: bool,
    convert: Convert = np.asarray,
    begin: Callable[[np.ndarray], Any] | None = None,
    named: bool = False,
) -> Foreign:
    """Any ``observation -> action`` as a `HostPolicy`, in the units and bounds of ``spec``.

    Args:
        function: gets the observation array, or a dict of arrays by name where the spec has several (as Gymnasium's
            face does). It returns only the action: a NumPy array, a number list, or a tensor of any framework.
        spec: the spec of the world that the callable was made for.
        batched: whether it takes all worlds at once, ``[N, ...] -> [N, A]``; else it is called for one world at a time,
            ``[...] -> [A]``, and must not remember anything between calls.
        convert: makes the framework's tensor of a NumPy array, for example ``torch.from_numpy``.
        begin: called with the seeds [N] when episodes begin, for a callable that remembers or draws.
        named: give a dict by name always, of whatever the world at hand shows; only the action must then fit ``spec``.
            For a policy that is tested in several worlds of one task, some of which show more than others.
    """
    return Foreign(function, spec, batched, convert, begin, named)


class Plain:
    """A core `Policy`, or a `HostPolicy`, as a callable ``observation -> action`` on NumPy; made by `to_callable`."""

    def __init__(self, policy: Policy | HostPolicy, spec: EnvSpec, seeds: Sequence[int] | None) -> None:
        self._policy, self._spec = as_host_policy(policy), spec
        self._memory: Memory = None
        self._single = seeds is None
        self.reset(seeds if seeds is not None else [0])

    def reset(self, seeds: Sequence[int] | int) -> None:
        """Begin new episodes with these seeds; one number where the callable acts in one world."""
        self._memory = self._policy.init(self._spec, np.atleast_1d(np.asarray(seeds, np.int64)))

    def __call__(self, observation: Any) -> np.ndarray:
        """The action [A] in one world, [N, A] in N, for an observation as Gymnasium's face shows it, or by name."""
        named = observation if isinstance(observation, dict) else {next(iter(self._spec.observation)): observation}
        given = {name: to_numpy(array)[None] if self._single else to_numpy(array) for name, array in named.items()}
        action, self._memory = self._policy.act(self._memory, given)
        return action[0] if self._single else action


def to_callable(policy: Policy | HostPolicy, spec: EnvSpec, seeds: Sequence[int] | None = None) -> Plain:
    """A policy of ours as a plain callable that remembers its episode; call ``.reset`` at each episode's start.

    Without ``seeds`` it acts in one world (``[...] -> [A]``, seed 0); with N seeds in N worlds at once.
    """
    return Plain(policy, spec, seeds)


def to_numpy(value: Any) -> np.ndarray:
    """An array or a tensor of any framework as a NumPy array, from any device, without its gradient.

    No framework is imported: PyTorch's ``detach`` and ``cpu`` are called where they exist, then NumPy's own
    conversion. Raises `SpecError` for a tuple (many frameworks return ``(action, state)``).
    """
    if isinstance(value, tuple) or value is None:
        raise SpecError(f"The callable returned {type(value).__name__}; let it return the action alone.")
    for method in ("detach", "cpu"):
        value = getattr(value, method, lambda kept=value: kept)()
    return np.asarray(value)
