"""Work for the tests of executors: importable by name, and able to die."""

import os
import signal
from pathlib import Path


def shout(text: str) -> bytes:
    """The text in capitals."""
    return text.upper().encode()


def die_once(text: str) -> bytes:
    """Kill the process that does this for the first time, if the text names a file that is not there yet."""
    mark = Path(text)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return b"alive"


def die(text: str) -> bytes:
    """Kill the process unless the text is harmless."""
    if text == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return shout(text)


def fail(text: str) -> bytes:
    """Fail by an error of its own where the text says so."""
    if text == "wrong":
        raise ValueError("wrong on purpose")
    return shout(text)


def interrupt(text: str) -> bytes:
    """Ctrl-C, where the text says so."""
    if text == "stop":
        raise KeyboardInterrupt
    return shout(text)
