"""What a browser may say: everything else is refused with a sentence, whatever it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diorama.studio.play.controls import Hands
from diorama.studio.play.protocol import AXES, Input, Open, ProtocolError, Record, StartWish, parse

SIZE = 4096
HOSTILE = [
    "",
    "null",
    "[]",
    "{",
    '"open"',
    "{}",
    '{"type": 5}',
    '{"type": ["open"]}',
    '{"type": "rm"}',
    '{"type": "__class__"}',
    '{"type": "open"}',
    '{"type": "open", "world": 3}',
    '{"type": "open", "world": "' + "x" * 201 + '"}',
    '{"type": "open", "world": "push-t", "path": "/etc/passwd"}',
    '{"type": "open", "world": "push-t", "start": "seed"}',
    '{"type": "open", "world": "push-t", "start": {"seed": -1}}',
    '{"type": "open", "world": "push-t", "start": {"seed": 1.5}}',
    '{"type": "open", "world": "push-t", "start": {"seed": 99999999999999999999}}',
    '{"type": "open", "world": "push-t", "start": {"file": "x"}}',
    '{"type": "open", "world": "push-t", "rate": "fast"}',
    '{"type": "open", "world": "push-t", "rate": true}',
    '{"type": "input", "axes": [NaN]}',
    '{"type": "input", "axes": [Infinity]}',
    '{"type": "input", "axes": [1e999]}',
    '{"type": "input", "axes": ["1"]}',
    '{"type": "input", "axes": ' + json.dumps([0.0] * (AXES + 1)) + "}",
    '{"type": "input", "axes": {"0": 1}}',
    '{"type": "input", "point": [1]}',
    '{"type": "input", "point": [0.1, 0.2, 0.3]}',
    '{"type": "input", "seq": -4}',
    '{"type": "input", "sent": null}',
    '{"type": "record"}',
    '{"type": "record", "on": 1}',
    '{"type": "switch", "again": false}',
    "[" * 2000 + "]" * 2000,
    '{"type": "input", "seq": ' + "9" * 4000 + "}",
    "x" * (SIZE + 1),
    b'{"type": "ping"}',
    '{"type": "ping", "sent": "\ud800"}',
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_everything_else_is_refused(text) -> None:
    with pytest.raises(ProtocolError):
        parse(text, SIZE)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_noise_is_refused_and_never_breaks(text) -> None:
    with pytest.raises(ProtocolError):
        parse(text, SIZE)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["world", "beside", "start", "rate", "axes", "point", "seq", "sent", "seen", "on", "keep"])


@given(st.sampled_from(["open", "input", "switch", "beside", "reset", "rate", "pause", "record", "ping"]), st.data())
def test_any_fields_are_either_refused_or_within_their_ranges(kind, data) -> None:
    fields = data.draw(st.dictionaries(FIELDS, VALUES, max_size=4))
    try:
        message = parse(json.dumps({"type": kind, **fields}), SIZE)
    except ProtocolError:
        return
    if isinstance(message, Input):
        assert all(-1 <= axis <= 1 for axis in message.hands.axes) and message.seq >= 0
        assert message.hands.point is None or all(0 <= p <= 1 for p in message.hands.point)


def test_what_is_said_is_understood() -> None:
    start = StartWish(dataset="abc", episode=2, row=5)
    text = '{"type":"open","world":"w","beside":"b","start":{"dataset":"abc","episode":2,"row":5},"rate":20}'
    assert parse(text, SIZE) == Open("w", "b", start, 20.0)
    assert parse('{"type":"open","world":"w"}', SIZE) == Open("w", "", StartWish(), 0.0)
    text = '{"type":"input","axes":[2,-3.5],"seq":4,"sent":12.5,"seen":3}'
    assert parse(text, SIZE) == Input(Hands((1.0, -1.0)), 4, 12.5, 3)
    assert parse('{"type":"input","point":[0.5,7]}', SIZE) == Input(Hands(point=(0.5, 1.0)), 0, 0.0, 0)
    assert parse('{"type":"record","on":false}', SIZE) == Record(False, True)
    assert Hands().off and Hands((0.0, 0.0)).off and not Hands(point=(0.0, 0.0)).off
