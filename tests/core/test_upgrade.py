"""What a store of any earlier version holds is there after an upgrade, on each database."""

import warnings
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, MetaData, Table, select
from sqlalchemy.exc import SAWarning

from core.database import migrations
from core.database.store import HEAD, make_engine, open_store, parse_url

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
            return row == 0
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


@pytest.mark.parametrize("version", [f"{number:04d}" for number in range(1, int(HEAD))])
def test_a_row_of_every_table_comes_through(empty_url: str, version: str) -> None:
    migrations.upgrade(empty_url, version)
    old = _tables(empty_url)
    rows = {
        name: [{each.name: _value(each, row) for each in table.columns} for row in range(2)]
        for name, table in old.items()
    }
    engine = make_engine(parse_url(empty_url))
    with engine.begin() as connection:
        for name, table in old.items():
            connection.execute(table.insert(), rows[name])

    assert migrations.upgrade(empty_url) == (version, HEAD)
    assert migrations.check(empty_url) == []
    new = _tables(empty_url)
    with engine.connect() as connection:
        for name, table in old.items():
            kept = [new[name].c[each.name] for each in table.columns if each.name not in GONE.get(name, ())]
            found = [dict(row) for row in connection.execute(select(*kept)).mappings()]
            told = [{each.name: row[each.name] for each in kept} for row in rows[name]]
            assert sorted(found, key=str) == sorted(told, key=str), name
    engine.dispose()
    open_store(empty_url).close()
