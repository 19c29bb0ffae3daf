"""Blobs: content kept under its SHA-256, in a local folder or on any Arrow file system, and hashed on every read.

A blob is addressed by its digest only (64 hexadecimal digits), so no path ever comes from outside. A store is one shelf
of digests; the registry has two, one for blobs and one for the texts of manifests.
"""

import abc
import concurrent.futures
import hashlib
import os
import sys
import tempfile
import time
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diorama.core.errors import DataError, DioramaError
from diorama.registry.formats import HEAD_BYTES, check_head, check_suffix
from diorama.registry.manifest import check_digest, is_digest
from diorama.registry.pouring import hash_into, pour

CHUNK = 4 * 2**20
"""Bytes that are hashed and written at a time."""
PARTIAL = "partial"
"""Name of the folder of unfinished blobs."""

Lease = Callable[[str], None]
"""Called with a digest before its blob is in place, so that ``gc`` spares it until it is registered."""


@dataclass(frozen=True)
class Found:
    """A file in a store: its name (a digest, or something stray), size [bytes] and last change [s since 1970]."""

    name: str
    size: int
    modified: float

    @property
    def stray(self) -> bool:
        """Whether this is no blob but what a writer that died, or something else, left."""
        return not is_digest(self.name)


def no_lease(digest: str) -> None:
    """The lease of a store that nothing collects."""


class BlobStore(abc.ABC):
    """One shelf of blobs. Every method raises `DataError` with a sentence where the storage fails."""

    @abc.abstractmethod
    def put(self, source: Path | bytes, lease: Lease = no_lease) -> str:
        """Keep the content of a file or of bytes, whole or not at all, and return its digest."""

    @abc.abstractmethod
    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """Keep small contents that outlive a dying process, but perhaps not a power cut: the texts of manifests.

        The database has these texts too, on the disk before a version counts as registered.
        """

    @abc.abstractmethod
    def chunks(self, digest: str) -> Iterator[bytes]:
        """The content of a blob piece by piece, not verified."""

    @abc.abstractmethod
    def pour(self, digest: str, file: typing.Any) -> str:
        """Write the content of a blob to an open file and return its SHA-256, whatever it is."""

    @abc.abstractmethod
    def size(self, digest: str) -> int | None:
        """The size of a blob [bytes]; None where the store lacks it."""

    @abc.abstractmethod
    def listing(self) -> Iterator[Found]:
        """Every file in the store, stray ones included."""

    @abc.abstractmethod
    def remove(self, found: Found) -> None:
        """Remove one file of the `listing`; one that is gone already is no error."""

    def read(self, digest: str) -> bytes:
        """The verified content of a blob."""
        return b"".join(self.verified(digest))

    def copy(self, digest: str, to: Path) -> None:
        """Write the verified content of a blob to the file ``to``; nothing is left there where it is damaged."""
        partial = to.with_name(to.name + ".partial")
        with refusing(f"Blob {digest} cannot be copied to {to}"):
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb", buffering=0) as file:
                    found = self.pour(digest, file)
                if found != digest:
                    raise damaged(digest)
                partial.replace(to)
            finally:
                partial.unlink(missing_ok=True)

    def verified(self, digest: str) -> Iterator[bytes]:
        """The content piece by piece; raises `DataError` at its end where it does not hash to ``digest``."""
        hasher = hashlib.sha256()
        with refusing(f"Blob {digest} cannot be read"):
            for chunk in self.chunks(digest):
                hasher.update(chunk)
                yield chunk
        if hasher.hexdigest() != digest:
            raise damaged(digest)

    def intact(self, digest: str) -> bool:
        """Whether the store has the blob and it hashes to its digest."""
        if self.size(digest) is None:
            return False
        hasher = hashlib.sha256()
        with refusing(f"Blob {digest} cannot be read"):
            for chunk in self.chunks(digest):
                hasher.update(chunk)
        return hasher.hexdigest() == digest


def open_store(place: str, shelf: str) -> BlobStore:
    """The store ``shelf`` (``blobs`` or ``manifests``) in a folder or below a URL such as ``s3://bucket/prefix``."""
    place = place.removeprefix("file://")
    if "://" not in place:
        return LocalStore(Path(place) / shelf)
    import pyarrow as pa
    import pyarrow.fs

    try:
        system, root = pyarrow.fs.FileSystem.from_uri(_one_request(place))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"Blobs cannot be kept at {place.split('?')[0]} ({error}); give a folder or a URL.") from error
    return ArrowStore(system, f"{root.rstrip('/')}/{shelf}")


def _one_request(place: str) -> str:
    """The URL with which Arrow uploads a small object in one request where it would take three."""
    if not place.startswith("s3://") or "allow_delayed_open" in place:
        return place
    return f"{place}{'&' if '?' in place else '?'}allow_delayed_open=true"


class LocalStore(BlobStore):
    """Blobs in a local folder: ``ab/abcd...``, written to ``partial/`` and renamed when they are on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, source: Path | bytes, lease: Lease = no_lease) -> str:
        """Hash and copy in one pass; renaming comes after the lease and after the flush to the disk."""
        digest = self._put(source, lease)
        with refusing("The blob cannot be kept"):
            flush_folder(self._path(digest).parent)
        return digest

    def _put(self, source: Path | bytes, lease: Lease, flush: bool = True) -> str:
        with refusing("The blob cannot be kept"), self._partial() as partial:
            with partial.open("wb") as file:
                digest = hash_into(pieces(source), file)
                file.flush()
                if flush:
                    os.fsync(file.fileno())
            lease(digest)
            self._place(partial, digest)
        return digest

    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """As `put`, each renamed when it is whole, but not flushed: that would cost more than all the rest."""
        with refusing("The manifests cannot be kept"):
            return [self._put(content, no_lease, flush=False) for content in contents]

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The content piece by piece."""
        try:
            yield from pieces(self._path(digest))
        except FileNotFoundError as error:
            raise missing(digest) from error

    def pour(self, digest: str, file: typing.Any) -> str:
        """Copied by the kernel while a second thread hashes."""
        try:
            return pour(self._path(digest), file)
        except FileNotFoundError as error:
            raise missing(digest) from error

    def size(self, digest: str) -> int | None:
        """The size in bytes, from the folder."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def listing(self) -> Iterator[Found]:
        """Every file below the folder; the name of a stray one is its relative path."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                relative = path.relative_to(self.folder)
                try:
                    stat = path.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                at_home = is_digest(name) and str(relative) == f"{name[:2]}/{name}"
                yield Found(name if at_home else str(relative), stat.st_size, stat.st_mtime)

    def remove(self, found: Found) -> None:
        """Remove a listed file."""
        path = self.folder / found.name if found.stray else self._path(found.name)
        path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        check_digest(digest)
        return self.folder / digest[:2] / digest

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        try:
            handle, name = tempfile.mkstemp(dir=self.folder / PARTIAL)
        except FileNotFoundError:
            (self.folder / PARTIAL).mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.folder / PARTIAL)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _place(self, partial: Path, digest: str) -> None:
        path = self._path(digest)
        # What lies there already is kept only where it is whole: adding a file again mends a damaged blob.
        if self.size(digest) == partial.stat().st_size and self.intact(digest):
            os.utime(path)
            return
        partial.chmod(0o444)
        try:
            partial.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(path)


class ArrowStore(BlobStore):
    """Blobs on an Arrow file system (S3-compatible, GCS): one object for each, which appears whole."""

    def __init__(self, system: typing.Any, root: str) -> None:
        self.system, self.root = system, root

    def put(self, source: Path | bytes, lease: Lease = no_lease) -> str:
        """Hash, then upload while hashing again; an object that is there with the same size is kept."""
        with refusing("The blob cannot be kept"):
            digest, size = _digest_and_size(source)
            lease(digest)
            if self.size(digest) != size:
                self._upload(digest, source)
        return digest

    def put_many(self, contents: Sequence[bytes]) -> list[str]:
        """Several at a time, each uploaded without asking whether it is there: the same content changes nothing."""
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return list(pool.map(self._put_small, contents))

    def _put_small(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        with refusing("The manifest cannot be kept"):
            self._upload(digest, content)
        return digest

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The content piece by piece."""
        try:
            with self.system.open_input_stream(self._path(digest)) as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise missing(digest) from error

    def pour(self, digest: str, file: typing.Any) -> str:
        """Written while a second thread hashes."""
        return hash_into(self.chunks(digest), file)

    def size(self, digest: str) -> int | None:
        """The size in bytes, by one question to the store."""
        with refusing(f"Blob {digest} cannot be looked up"):
            info = self.system.get_file_info(self._path(digest))
        return info.size if info.is_file else None

    def listing(self) -> Iterator[Found]:
        """Every object below the root."""
        import pyarrow.fs

        with refusing("The blobs cannot be listed"):
            selector = pyarrow.fs.FileSelector(self.root, allow_not_found=True, recursive=True)
            infos = self.system.get_file_info(selector)
        for info in infos:
            if info.is_file:
                relative = info.path.removeprefix(self.root).lstrip("/")
                at_home = is_digest(info.base_name) and info.path == self._path(info.base_name)
                yield Found(info.base_name if at_home else relative, info.size, info.mtime_ns / 1e9)

    def remove(self, found: Found) -> None:
        """Remove a listed object."""
        with refusing(f"{found.name} cannot be removed"):
            self.system.delete_file(f"{self.root}/{found.name}" if found.stray else self._path(found.name))

    def _path(self, digest: str) -> str:
        check_digest(digest)
        return f"{self.root}/{digest[:2]}/{digest}"

    def _upload(self, digest: str, source: Path | bytes) -> None:
        path = self._path(digest)
        # Stores with real folders, such as a mounted one, want the folder first; in buckets this does nothing.
        if self.system.type_name in ("local", "hdfs"):
            self.system.create_dir(os.path.dirname(path), recursive=True)
        with self.system.open_output_stream(path) as stream:
            written = hash_into(pieces(source), stream)
        if written != digest:
            self.system.delete_file(path)
            raise DataError(f"{source} changed while it was uploaded; wait for its writer and add it again.")


def pieces(source: Path | bytes) -> Iterator[bytes]:
    """The content of a file or of bytes in pieces of at most `CHUNK` bytes."""
    if isinstance(source, bytes):
        for start in range(0, len(source), CHUNK):
            yield source[start : start + CHUNK]
        return
    with source.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def check_content(source: Path | bytes, name: str = "A blob") -> None:
    """Raise `DataError` unless a file or bytes are of a format that the registry keeps."""
    if isinstance(source, bytes):
        check_head(source[:HEAD_BYTES], name)
        return
    check_suffix(source.name)
    if not source.is_file():
        raise DataError(f"{source} is no plain file; give a file to keep as a blob.")
    with refusing(f"{source} cannot be read"), source.open("rb") as file:
        check_head(file.read(HEAD_BYTES), source.name)


def missing(digest: str) -> DataError:
    """The error of a blob that the store lacks."""
    return DataError(f"Blob {digest} is missing from the store; add the original file again.")


def damaged(digest: str) -> DataError:
    """The error of a blob whose content is another."""
    return DataError(f"Blob {digest} is damaged: its content has another SHA-256; add the original file again.")


def flush_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn a failure of the storage into one `DataError`."""
    try:
        yield
    except DioramaError:
        raise
    except _storage_errors() as error:
        # Google's client appends its own settings to every message.
        cause = (str(error).strip() or type(error).__name__).splitlines()[0].split(" error_info=")[0][:300]
        raise DataError(f"{what} ({cause}); free space, or mend the storage, and try again.") from error


def _storage_errors() -> tuple[type[Exception], ...]:
    """What storage raises; a local folder needs no Arrow, which takes long to load."""
    arrow = sys.modules.get("pyarrow")
    return (OSError,) if arrow is None else (OSError, arrow.ArrowException)


def age(found: Found) -> float:
    """How long ago a listed file was last changed [s]."""
    return time.time() - found.modified


def _digest_and_size(source: Path | bytes) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    for chunk in pieces(source):
        hasher.update(chunk)
        size += len(chunk)
    return hasher.hexdigest(), size
