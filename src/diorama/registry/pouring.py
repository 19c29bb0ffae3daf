"""Copying a local file and hashing it at once: the kernel copies, a second thread hashes.

The bytes that are copied never pass through this process where the file systems allow it (``copy_file_range``, which on
some of them shares the blocks instead of copying); the same pages of the same file are hashed beside it.
"""

import concurrent.futures
import errno
import hashlib
import os
import typing
from collections.abc import Iterator
from pathlib import Path

_PIECE = 64 * 2**20
_BUFFER = 2**20
_SMALL = 4 * 2**20
_CANNOT = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
"""What the kernel says where it cannot copy between these two files."""


def pour(source: Path, file: typing.Any) -> str:
    """Copy a file to an open, empty one, and return the SHA-256 of the source. Raises `OSError` for a short copy."""
    with source.open("rb", buffering=0) as read:
        size = os.fstat(read.fileno()).st_size
        if size <= _SMALL:
            # A thread would cost more than it saves.
            content = read.read(size + 1)
            file.write(content)
            return hashlib.sha256(content).hexdigest()
        file.flush()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            hashed = pool.submit(_hash, source)
            copied = _copy(read, file, size)
            digest = hashed.result()
    if copied != size:
        raise OSError(errno.EIO, f"{copied} of {size} bytes were copied")
    return digest


def hash_into(chunks: Iterator[bytes], file: typing.Any) -> str:
    """Write ``chunks`` to ``file`` and return their SHA-256; a second thread hashes while this one writes."""
    hasher = hashlib.sha256()
    first = next(chunks, b"")
    if len(first) < _SMALL:
        # One piece: starting a thread would cost more than it saves.
        hasher.update(first)
        file.write(first)
        return _finish(hasher, chunks, file)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(hasher.update, first)
        file.write(first)
        for chunk in chunks:
            hashed.result()
            hashed = pool.submit(hasher.update, chunk)
            file.write(chunk)
        hashed.result()
    return hasher.hexdigest()


def _finish(hasher: typing.Any, chunks: Iterator[bytes], file: typing.Any) -> str:
    """A short first piece may still be followed by more, where the file is being read from a pipe-like place."""
    for chunk in chunks:
        hasher.update(chunk)
        file.write(chunk)
    return hasher.hexdigest()


def _hash(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256", _bufsize=_BUFFER).hexdigest()


def _copy(read: typing.Any, write: typing.Any, size: int) -> int:
    """By the kernel, or through a buffer where that does not work for these two files."""
    done = 0
    try:
        while done < size and (count := os.copy_file_range(read.fileno(), write.fileno(), min(_PIECE, size - done))):
            done += count
        return done
    except (AttributeError, OSError) as error:
        if done or (isinstance(error, OSError) and error.errno not in _CANNOT):
            raise
    while piece := read.read(_BUFFER):
        write.write(piece)
        done += len(piece)
    return done
