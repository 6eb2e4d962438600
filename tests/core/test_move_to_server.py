"""A night that began on SQLite goes on where many machines share a PostgreSQL server."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, text
from sqlmodel import SQLModel

from core.database.engine import parse_url
from core.database.migrations import check, downgrade
from core.database.store import Store, open_store, version_in
from core.frames.observations import register
from core.operations.backup import BackupError, back_up, restore
from core.review.chain import session_heads, verify
from core.review.retractions import undo
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.conftest import _database
from tests.core.frames import frame_facts
from tests.core.rows import add_candidate


def quietly(_done: int, _total: int, _what: str) -> None:
    pass


def judge(store: Store, candidate: int, label: Label = Label.REAL) -> None:
    decide(store, session="s", reviewer="vera", candidate_id=candidate, label=label, shown={}, note="é\n\t\\")


@pytest.fixture
def server_url(postgres_server: str) -> Iterator[str]:
    with _database(postgres_server) as url:
        yield url


@pytest.fixture
def copy(sqlite_store: Store, tmp_path: Path) -> Path:
    """A backup of a store with a frame, three candidates, two verdicts and one that was taken back."""
    register(sqlite_store, [frame_facts(1)])
    for label in (Label.REAL, Label.DIPOLE):
        judge(sqlite_store, add_candidate(sqlite_store), label)
    undo(sqlite_store, session="s", reviewer="vera")
    add_candidate(sqlite_store)
    back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)
    return tmp_path / "copy.db"


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All that a store holds, JSON as it is told apart from none."""
    with store.read() as session:
        found = {}
        for each in SQLModel.metadata.sorted_tables:
            absent = ", ".join(f"{c.name} IS NULL" for c in each.columns if isinstance(c.type, JSON))
            keys = ", ".join(key.name for key in each.primary_key)
            nulls = session.execute(text(f"SELECT {absent or 1} FROM {each.name} ORDER BY {keys}")).all()
            values = session.execute(each.select().order_by(*each.primary_key)).all()
            found[each.name] = [(*value, *map(bool, null)) for value, null in zip(values, nulls, strict=True)]
        return found


def test_a_store_goes_on_on_a_server_where_it_stood(sqlite_store: Store, copy: Path, server_url: str) -> None:
    done = restore(copy, server_url, force=False, now=0.0, report=quietly)
    assert done.record()["path"].startswith("postgresql://")
    with closing(open_store(server_url)) as moved:
        assert rows(moved) == rows(sqlite_store)
        assert session_heads(moved) == session_heads(sqlite_store)
        assert check(server_url) == []
        judge(moved, add_candidate(moved))  # its numbers go on
        assert session_heads(moved)[0].sequence == session_heads(sqlite_store)[0].sequence + 1
        assert verify(moved) == []


def test_a_store_that_has_rows_is_never_mixed_with_another(copy: Path, server_url: str) -> None:
    with closing(open_store(server_url, create=True)) as other:
        add_candidate(other)
        before = rows(other)
        with pytest.raises(BackupError, match="name an empty database as url of"):
            restore(copy, server_url, force=True, now=0.0, report=quietly)
        assert rows(other) == before


def test_a_store_of_an_older_program_is_not_upgraded_by_a_copy_that_it_refuses(
    copy: Path, server_url: str
) -> None:
    open_store(server_url, create=True).close()
    downgrade(server_url, "0015")
    with pytest.raises(BackupError, match="name an empty database as url of"):
        restore(copy, server_url, force=False, now=0.0, report=quietly)
    assert version_in(parse_url(server_url)) == "0015"


def test_damage_of_the_copy_is_not_told_of_the_server(
    sqlite_store: Store, copy: Path, server_url: str, tmp_path: Path
) -> None:
    with sqlite_store.write() as session:
        session.execute(text("UPDATE candidate SET frame = :long"), {"long": "z" * 20_000})
    back_up(f"sqlite:///{tmp_path}/astrid.db", copy, quietly)
    content = bytearray(copy.read_bytes())
    for page in range(0, len(content), 4096):
        if content[page + 4 : page + 4096] == b"z" * 4092:
            content[page : page + 4] = b"\xff" * 4  # where the text goes on
    copy.write_bytes(content)
    with pytest.raises(BackupError, match=r"^the store cannot be copied: "):
        restore(copy, server_url, force=False, now=0.0, report=quietly)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("its content does not have its hash", "UPDATE verdict SET note = 'other'"),
        ("the server did not take it: .*NUL", "UPDATE candidate SET source = 'a' || char(0) || 'b'"),
    ],
)
def test_what_cannot_be_moved_leaves_nothing(
    sqlite_store: Store, copy: Path, server_url: str, tmp_path: Path, what: str, change: str
) -> None:
    with sqlite_store.write() as session:
        session.execute(text(change))
    back_up(f"sqlite:///{tmp_path}/astrid.db", copy, quietly)
    with pytest.raises(BackupError, match=what):
        restore(copy, server_url, force=False, now=0.0, report=quietly)
    with closing(open_store(server_url, create=True)) as left:
        assert not any(rows(left).values())


def test_a_backup_of_an_older_program_is_to_be_upgraded_first(copy: Path, server_url: str) -> None:
    downgrade(f"sqlite:///{copy}", "0014")
    with pytest.raises(BackupError, match=r"is of version 0014, .*`astrid db upgrade`"):
        restore(copy, server_url, force=False, now=0.0, report=quietly)
