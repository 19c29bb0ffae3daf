"""The database of a registry: SQLite in a local file or PostgreSQL by URL, opened, migrated and guarded.

SQLite runs with a write-ahead log, immediate transactions and a busy timeout of 30 s, so that processes wait for each
other instead of failing. One writer at a time holds the write lock; on PostgreSQL an advisory lock does the same, so
that sequence numbers rise in the order of commits on both.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from diorama.core.errors import DataError, DioramaError
from diorama.registry.tables import SCHEMA_REVISION

BUSY_S = 30.0
"""How long a writer waits for another one [s]."""
NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.", "virtiofs")
"""First letters of the names of file systems whose locks SQLite cannot trust."""
MOUNTS = Path("/proc/self/mounts")
"""Where Linux lists what is mounted."""
LOCK = 0x6469_6F72
"""Key of the advisory lock of PostgreSQL."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITE = "diorama_write"


def open_database(url: str, mounts: Path = MOUNTS) -> sa.Engine:
    """The engine of a database at the newest revision; made and migrated where it needs to be.

    Raises `DataError` for SQLite on a network file system, for a database that is damaged or cannot be reached, and for
    one that a newer Diorama wrote.
    """
    engine = _engine(url, mounts)
    with failing(engine):
        try:
            if revision(engine) != SCHEMA_REVISION:
                _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def database_file(engine: sa.Engine) -> Path | None:
    """The file of a SQLite database; None for another one."""
    return Path(engine.url.database) if engine.dialect.name == "sqlite" and engine.url.database else None


def revision(engine: sa.Engine) -> str | None:
    """The revision that a database is at; None for a new one."""
    with engine.connect() as connection:
        return _revision(connection)


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one state of the database throughout."""
    with failing(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine, lasting: bool = True) -> Iterator[sa.Connection]:
    """A connection that holds the write lock; commits at the end, and undoes everything where an error leaves it.

    What is not ``lasting`` is seen by every process at once, but may be lost in a power cut with what came just before.
    """
    mode = "lasting" if lasting else "quick"
    with failing(engine), engine.connect().execution_options(**{_WRITE: mode}) as connection, connection.begin():
        yield connection


@contextmanager
def failing(engine: sa.Engine) -> Iterator[None]:
    """Turn an error of the database into one `DataError`."""
    try:
        yield
    except DioramaError:
        raise
    except sa.exc.DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        cause = str(error.orig).strip().splitlines()[0][:300] if str(error.orig).strip() else type(error).__name__
        raise DataError(f"The database {where} failed ({cause}); {_mend(cause)}.") from error


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of network file system that ``path`` lies on, by the table of mounts; None for a local one."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    place, best, kind = path.absolute().resolve(), -1, ""
    for fields in (line.split() for line in lines):
        point = Path(_unescaped(fields[1])) if len(fields) > 2 else None
        # The last mount on a place hides the earlier ones.
        if point is not None and place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind.startswith(NETWORK) else None


def _engine(url: str, mounts: Path) -> sa.Engine:
    try:
        address = sa.make_url(url)
        if address.get_backend_name() == "sqlite":
            return _sqlite(address, mounts)
        if address.get_backend_name() == "postgresql":
            return _postgresql(address)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise DataError(f"The database URL {url!r} cannot be used ({error}); install diorama[postgres].") from error
    raise DataError(f"The registry does not run on {address.get_backend_name()}; use SQLite or postgresql+psycopg://.")


def _sqlite(address: sa.URL, mounts: Path) -> sa.Engine:
    if not address.database or address.database == ":memory:":
        raise DataError("The registry needs a SQLite file that other processes can open; give a path.")
    path = Path(address.database)
    if kind := network_file_system(path.parent, mounts):
        raise DataError(
            f"{path} lies on a network file system ({kind}), where SQLite loses data; "
            "use PostgreSQL (DIORAMA_DATABASE=postgresql+psycopg://..., or database= from Python), or a local folder."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder {path.parent} cannot be made ({error.strerror}); give another one.") from error
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_S})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    _leave_to_parent(engine)
    return engine


def _leave_to_parent(engine: sa.Engine) -> None:
    """A forked child must not touch the connections of its parent: it opens its own."""

    def mark(_connection, record) -> None:
        record.info["process"] = os.getpid()

    def own(_connection, record, proxy) -> None:
        if record.info["process"] != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise sa.exc.DisconnectionError("The connection belongs to the parent process.")

    sa.event.listen(engine, "connect", mark)
    sa.event.listen(engine, "checkout", own)


def _prepare_sqlite(connection, _record) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_S)}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.close()


def _write_ahead(cursor) -> None:
    """Switch the journal; SQLite does not wait for other processes here, so this does."""
    import sqlite3

    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    mode = connection.get_execution_options().get(_WRITE)
    connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if mode == 'quick' else 'FULL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if mode else "BEGIN")


def _postgresql(address: sa.URL) -> sa.Engine:
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, pool_pre_ping=True, pool_size=2)
    sa.event.listen(engine, "connect", _prefer_indices)
    sa.event.listen(engine, "begin", _begin_postgresql)
    _leave_to_parent(engine)
    return engine


def _prefer_indices(connection: Any, _: Any) -> None:
    """A walk over edges takes few rows of large tables, and the planner guesses many: it would read whole tables."""
    with connection.cursor() as cursor:
        for setting in ("jit", "enable_hashjoin", "enable_mergejoin"):
            cursor.execute(f"SET {setting} = off")
    connection.commit()


def _begin_postgresql(connection: sa.Connection) -> None:
    mode = connection.get_execution_options().get(_WRITE)
    if mode == "quick":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    if mode:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(engine: sa.Engine) -> None:
    """Bring the tables to the newest revision in one transaction under the write lock: the first process does it."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(_MIGRATIONS))
    known = {one.revision for one in script.walk_revisions()}
    with writing(engine) as connection:
        current = _revision(connection)
        if current is not None and current not in known:
            raise DataError(f"The registry was written by a newer Diorama (revision {current}); upgrade Diorama.")

        def steps(heads, _context):
            return script._upgrade_revs("head", heads)

        with EnvironmentContext(Config(), script, fn=steps) as environment:
            environment.configure(connection=connection, transactional_ddl=True)
            environment.run_migrations()


def _mend(cause: str) -> str:
    if re.search(r"malformed|not a database|disk image|no such table|file is encrypted", cause):
        return "run `diorama registry check`, and restore the database from a copy or from its manifests"
    if re.search(r"full|No space", cause):
        return "free space and try again, nothing was registered"
    if re.search(r"locked|busy", cause):
        return "another process held it for too long, try again"
    return "check that it can be reached and try again"


def _unescaped(point: str) -> str:
    """A place in the table of mounts, where blanks are octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
