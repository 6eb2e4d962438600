"""What a store of any earlier version holds is there after an upgrade, on each database."""

import warnings
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, MetaData, Table, select
from sqlalchemy.exc import SAWarning

from core.database import migrations
from core.database.engine import make_engine, parse_url
from core.database.store import HEAD, open_store

GONE = {"injection": {"revealed_at"}}  # 0007 tells it of the injected source


def _tables(url: str) -> dict[str, Table]:
    engine, found = make_engine(parse_url(url)), MetaData()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", SAWarning)
        found.reflect(engine)
    engine.dispose()
    return {table.name: table for table in found.sorted_tables if table.name != "alembic_version"}


def _value(column: Column[Any], row: int) -> Any:
    """A value that differs from row to row; keys are those of the other tables' rows."""
    match column.type:
        case Boolean():
            return row % 2 == 0
        case JSON():
            return [row]
        case LargeBinary():
            return bytes([row])
        case Integer():
            return row + 1
        case Float():
            return row + 0.5
        case _:
            return f"{column.name} {row}"


def _rows(table: Table, numbers: range) -> list[dict[str, Any]]:
    return [{each.name: _value(each, number) for each in table.columns} for number in numbers]


def test_rows_of_every_version_come_through(empty_url: str) -> None:
    """Each version in turn stores two rows in each of its tables; the newest holds all of them."""
    stored: list[tuple[str, Table, list[dict[str, Any]]]] = []
    for number in range(1, int(HEAD)):
        version = f"{number:04d}"
        migrations.upgrade(empty_url, version)
        engine = make_engine(parse_url(empty_url))
        with engine.begin() as connection:
            for table in _tables(empty_url).values():
                rows = _rows(table, range(2 * number, 2 * number + 2))
                connection.execute(table.insert(), rows)
                stored.append((version, table, rows))
        engine.dispose()

    assert migrations.upgrade(empty_url) == (version, HEAD)
    assert migrations.check(empty_url) == []
    new = _tables(empty_url)
    engine = make_engine(parse_url(empty_url))
    with engine.connect() as connection:
        for version, table, rows in stored:
            kept = [each.name for each in table.columns if each.name not in GONE.get(table.name, ())]
            query = select(*(new[table.name].c[name] for name in kept))
            found = [dict(row) for row in connection.execute(query).mappings()]
            for row in rows:
                assert {name: row[name] for name in kept} in found, (version, table.name)
    engine.dispose()
    open_store(empty_url).close()
