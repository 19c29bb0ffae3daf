"""Policies by name: artifacts, a user's own Python, ONNX files, versions of the registry."""

import numpy as np
import pytest

from diorama.core.errors import ConfigError, DataError, SpecError
from diorama.policies import Actor, ActorConfig, save
from diorama.policies.onnx import from_onnx
from diorama.recipes.book import open_book
from diorama.recipes.candidates import find_candidate
from diorama.recipes.tasks import find_task
from diorama.recipes.where import Where

OWN = '''
import numpy as np
from diorama.policies import RandomPolicy


class Still:
    """Stays where it is."""

    def __init__(self, bias=0.0):
        self.bias = bias

    def __call__(self, observation):
        return np.full((len(observation["velocity"]), 2), self.bias)


def drawn(spec):
    return RandomPolicy(spec)


nothing = lambda: 3
'''


@pytest.fixture(scope="module")
def task():
    return find_task("point-mass")


@pytest.fixture(scope="module")
def spec(task):
    return task.env().spec


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def seen(spec, count=3):
    return {name: np.ones((count, *array.shape), np.float32) for name, array in spec.observation.items()}


def acted(policy, spec):
    return policy.act(policy.init(spec, np.arange(3)), seen(spec))[0]


def network(path, inputs: dict[str, int], batch: int | None = None):
    """An ONNX file: the first two entries of the first input, halved."""
    import onnx
    from onnx import TensorProto, helper

    given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [batch or "N", size]) for n, size in inputs.items()]
    first = next(iter(inputs))
    parts = [
        helper.make_tensor("low", TensorProto.INT64, [1], [0]),
        helper.make_tensor("high", TensorProto.INT64, [1], [2]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5]),
    ]
    nodes = [
        helper.make_node("Slice", [first, "low", "high", "axis"], ["cut"]),
        helper.make_node("Mul", ["cut", "half"], ["action"]),
    ]
    out = helper.make_tensor_value_info("action", TensorProto.FLOAT, [batch or "N", 2])
    model = helper.make_model(helper.make_graph(nodes, "net", given, [out], parts), ir_version=9)
    model.opset_import[0].version = 17
    onnx.save(model, str(path))
    return path


def test_a_file_of_your_own(task, spec, file) -> None:
    plain, biased = (find_candidate(task, f"{file}:Still{settings}") for settings in ("", "(bias=0.5)"))
    np.testing.assert_array_equal(acted(biased.make(spec), spec), np.full((3, 2), 0.5))
    assert acted(plain.make(spec), spec).tolist() == [[0.0, 0.0]] * 3
    assert plain.digest != biased.digest and biased.address.endswith("own.py:Still(bias=0.5)")
    again = find_candidate(task, biased.address)
    assert again.digest == biased.digest
    assert type(find_candidate(task, f"{file}:drawn").make(spec)).__name__ == "RandomPolicy"


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("Still(bias=open('x'))", "cannot be read"),
        ("Still(0.5)", "only settings by name"),
        ("Still(colour=1)", "cannot be made"),
        ("nothing", "A int cannot act"),
        ("missing", "has no 'missing'"),
    ],
)
def test_a_file_that_makes_no_policy_is_refused(task, spec, file, word, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        find_candidate(task, f"{file}:{word}").make(spec)


def test_an_onnx_file(task, spec, tmp_path) -> None:
    by_name = find_candidate(task, str(network(tmp_path / "net.onnx", {"velocity": 2, "position": 2})))
    np.testing.assert_allclose(acted(by_name.make(spec), spec), np.full((3, 2), 0.5))
    single = from_onnx(network(tmp_path / "one.onnx", {"velocity": 2}, batch=1), spec)
    np.testing.assert_allclose(acted(single, spec), np.full((3, 2), 0.5))
    with pytest.raises(SpecError, match="'x' .* is not one of the observations"):
        from_onnx(network(tmp_path / "odd.onnx", {"x": 7}), spec)
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(DataError, match="cannot be read as ONNX"):
        from_onnx(tmp_path / "bad.onnx", spec)


def test_an_artifact_and_its_version(task, spec, tmp_path) -> None:
    config = ActorConfig("nano")
    save(tmp_path / "run" / "policy", Actor.build(config, spec, 0), config, spec)
    with open_book(Where(str(tmp_path / "registry"))) as book:
        kept = find_candidate(task, str(tmp_path / "run"), book=book)
        again = find_candidate(task, kept.version, book=book)
        assert again.version == kept.version and again.digest == kept.digest
        assert type(again.make(spec)).__name__ == "Actor"
        scripted = find_candidate(task, "random", book=book)
        assert find_candidate(task, scripted.version, book=book).name == "random"
        with pytest.raises(ConfigError, match="No policy is called 'nobody'"):
            find_candidate(task, "nobody", book=book)
    with pytest.raises(ConfigError, match="holds no policy"):
        find_candidate(task, str(tmp_path))
    other = find_task("pendulum").env().spec
    with pytest.raises(SpecError, match="was made for"):
        kept.make(other)


def test_a_policy_of_ones_own_that_fails_says_where(tmp_path) -> None:
    task = find_task("push-t")
    late = "def late():\n    def act(seen):\n        return seen['image']\n    return act\n"
    (tmp_path / "own.py").write_text(late + "def never():\n    raise RuntimeError('no weights')\n")
    spec = task.env().spec
    with pytest.raises(ConfigError, match=r"failed with KeyError: 'image' .*own.py, line 3"):
        acted(find_candidate(task, f"{tmp_path / 'own.py'}:late").make(spec), spec)
    with pytest.raises(ConfigError, match="RuntimeError: no weights"):
        find_candidate(task, f"{tmp_path / 'own.py'}:never").make(spec)
