"""A network in an ONNX file as a policy. It runs in ONNX Runtime (extra ``onnx``), whatever framework wrote it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core import EnvSpec, SpecError
from diorama.core.errors import ConfigError, DataError
from diorama.policies.foreign import Foreign, from_callable

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}


def from_onnx(path: str | Path, spec: EnvSpec) -> Foreign:
    """The network of an ONNX file as a policy in worlds of ``spec``.

    Each input ``[N, ...]`` is an observation of the same name, or else the only one of the same shape; a first axis of
    1 is called once for each world. The first output ``[N, A]`` is the action, in the units and bounds of the spec.
    Raises `ConfigError` without ONNX Runtime, `DataError` for a file that it cannot read, `SpecError` where an input is
    no observation.
    """
    session = _session(Path(path))
    reads = {given.name: _observation(given, spec) for given in session.get_inputs()}
    types = {given.name: _TYPES.get(given.type, np.float32) for given in session.get_inputs()}
    batched = not any(given.shape[:1] == [1] for given in session.get_inputs())
    output = session.get_outputs()[0].name

    def act(observation: Mapping[str, np.ndarray]) -> Any:
        rows = {name: np.asarray(observation[seen]) for name, seen in reads.items()}
        rows = rows if batched else {name: row[None] for name, row in rows.items()}
        found = session.run([output], {name: row.astype(types[name]) for name, row in rows.items()})[0]
        return found if batched else found[0]

    return from_callable(act, spec, batched=batched, named=True)


def _observation(given: Any, spec: EnvSpec) -> str:
    """The observation that an input of a network reads."""
    shape = tuple(given.shape[1:])
    if given.name in spec.observation:
        fits = [given.name]
    else:
        fits = [name for name, array in spec.observation.items() if array.shape == shape]
    if len(fits) != 1 or spec.observation[fits[0]].shape != shape:
        shown = {name: array.shape for name, array in spec.observation.items()}
        raise SpecError(
            f"The input {given.name!r} {shape} of the network is not one of the observations {shown} of {spec.name!r}; "
            "name it after one of them and give it its shape, behind the axis of the batch."
        )
    return fits[0]


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("An ONNX file needs onnxruntime; install diorama[onnx].") from error
    options = onnxruntime.SessionOptions()
    # One thread: work is spread over episodes and processes, and sums come out the same everywhere.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    make: Callable[..., Any] = onnxruntime.InferenceSession
    try:
        return make(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise DataError(f"{path} cannot be read as ONNX ({str(error).splitlines()[0]}); export it again.") from error
