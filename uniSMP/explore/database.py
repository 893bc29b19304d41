"""The SQLite database of a campaign: its tables, its transactions, and what its errors mean.

It is locked while it is open: two processes never work on one campaign. Source: the documentation
of SQLite, "Write-Ahead Logging" and "Result and Error Codes".
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uniSMP.errors import ConfigError, FormatError, UniSMPError

DATABASE = "campaign.sqlite"
SCHEMA_VERSION = 1
_APPLICATION_ID = 0x754E534D
_LOCK_SECONDS = 0.1
_PRIMARY = 0xFF
"""The bits of an error code that say which it is; those above say more."""
_TABLES = """
CREATE TABLE plan (key TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE jobs (number INTEGER PRIMARY KEY, state INTEGER NOT NULL, round INTEGER,
    executions INTEGER, payload TEXT, result TEXT);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE TABLE totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE members (name TEXT NOT NULL, value NOT NULL, PRIMARY KEY (name, value)) WITHOUT ROWID;
CREATE TABLE found (key TEXT PRIMARY KEY, place INTEGER NOT NULL, job INTEGER NOT NULL,
    content TEXT NOT NULL, times INTEGER NOT NULL);
"""
_OUTSIDE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }
)
"""Errors of the place, not of what stands there."""


class Database:
    """The database in a folder, opened and locked.

    Every method raises ConfigError where the place does not allow it (no space, no permission), and
    FormatError where what stands there is damaged.

    Args:
        folder: where it is; made where it is missing. None: in memory only.

    Raises:
        ConfigError: the folder cannot be written, or another process has the database.
        FormatError: it is damaged, of another schema, or not of a campaign.
    """

    def __init__(self, folder: Path | None) -> None:
        self.name = ":memory:" if folder is None else str(folder / DATABASE)
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from error
        with self._errors():
            self._connection = sqlite3.connect(
                self.name, isolation_level=None, timeout=_LOCK_SECONDS
            )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a query."""
        with self._errors():
            return self._connection.execute(query, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Run a statement that returns nothing."""
        with self._errors():
            self._connection.execute(statement, values)

    def change_many(self, statement: str, values: Sequence[Sequence[Any]]) -> int:
        """Run a statement once with each of the values; return how many rows it changed."""
        with self._errors():
            before = self._connection.total_changes
            self._connection.executemany(statement, values)
            return self._connection.total_changes - before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do what is inside `with` as a whole or not at all."""
        self.change("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self.change("COMMIT")

    def close(self) -> None:
        """Close it; a second time does nothing."""
        self._connection.close()

    def _prepare(self) -> None:
        self.rows("PRAGMA locking_mode = EXCLUSIVE")
        self.rows("PRAGMA journal_mode = WAL")
        self.change("PRAGMA synchronous = NORMAL")
        found = self.rows("PRAGMA application_id")[0][0]
        version = self.rows("PRAGMA user_version")[0][0]
        if not self.rows("SELECT COUNT(*) FROM sqlite_master")[0][0]:
            with self.transaction():
                for statement in _TABLES.strip().split(";\n"):
                    self.change(statement)
                self.change(f"PRAGMA application_id = {_APPLICATION_ID}")
                self.change(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return
        if found != _APPLICATION_ID:
            raise FormatError(f"{self.name} is a database, but not of a campaign")
        if version != SCHEMA_VERSION:
            raise FormatError(
                f"{self.name} has schema version {version}; this uniSMP reads {SCHEMA_VERSION}"
            )
        verdict = self.rows("PRAGMA quick_check(1)")[0][0]
        if verdict != "ok":
            raise self._damaged(verdict)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
            if code == sqlite3.SQLITE_BUSY:
                raise ConfigError(f"{self.name}: another process works on this campaign") from error
            if code in _OUTSIDE:
                raise ConfigError(f"{self.name}: {error}") from error
            raise self._damaged(error) from error

    def _damaged(self, why: object) -> UniSMPError:
        return FormatError(f"{self.name} is damaged ({why}): choose another --out")
