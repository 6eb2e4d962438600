"""PostgreSQL as others set it up: its encodings, its isolation, roles and servers that take no changes."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from core.database.store import open_store
from core.database.store_errors import StoreAway, StoreCannotHold, StoreUnreachable, may_pass
from core.database.tables import SavedFilter


@pytest.fixture
def made(postgres_server: str) -> Iterator[Callable[..., str]]:
    """What makes a database, and says some words to it as the server's own user."""
    names = []

    def make(options: str = "", *words: str) -> str:
        name = f"astrid_test_{uuid.uuid4().hex}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
            names.append(name)
            for each in words:
                connection.execute(each.format(name=name))
        return make_url(postgres_server).set(database=name).render_as_string(hide_password=False)

    yield make
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def a_filter(name: str) -> SavedFilter:
    return SavedFilter(reviewer="ada", name=name, expression="score>9", created_at=1.0)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_all_text_becomes_no_store(
    made: Callable[..., str], encoding: str
) -> None:
    url = made(f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(StoreUnreachable, match=rf"encoding {encoding}.*ENCODING 'UTF8'"):
        open_store(url, create=True)


def test_a_store_of_another_encoding_refuses_what_it_cannot_hold(
    made: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.database.migrations._refuse_encoding", lambda _: None)  # as earlier ones did
    with closing(open_store(made("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"), create=True)) as store:
        with store.write() as session:
            session.add(a_filter("Süd"))
        with pytest.raises(StoreCannotHold, match="ENCODING 'UTF8'"), store.write() as session:
            session.add(a_filter("σ"))


def test_who_waited_for_a_turn_sees_what_others_wrote_whatever_isolation_the_database_has(
    made: Callable[..., str],
) -> None:
    url = made("", "ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    with closing(open_store(url, create=True)) as store, store.write() as session:
        assert session.scalar(text("SELECT count(*) FROM saved_filter")) == 0
        with store.write() as other:
            other.add(a_filter("bright"))
        assert session.scalar(text("SELECT count(*) FROM saved_filter")) == 1


def test_a_database_that_takes_no_changes_for_a_while_is_waited_for(made: Callable[..., str]) -> None:
    """As a standby is until it takes over."""
    url = made()
    open_store(url, create=True).close()
    with psycopg.connect(url, autocommit=True) as connection:
        name = make_url(url).database
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with (
        closing(open_store(url)) as store,
        pytest.raises(StoreAway, match="read-only transaction; it takes no changes now"),
        store.write() as session,
    ):
        session.add(a_filter("bright"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"database": "nobody_made_it"}, "does not exist"),
        ({"username": "nobody"}, "does not exist"),
        ({"username": "pg_monitor"}, "not permitted to log in"),
    ],
)
def test_a_login_that_the_server_refuses_is_told_at_once(
    made: Callable[..., str], wrong: dict[str, str], said: str
) -> None:
    url = make_url(made()).set(**wrong).render_as_string(hide_password=False)
    with pytest.raises(StoreUnreachable, match=said) as told:
        open_store(url)
    assert told.type is StoreUnreachable  # which nobody waits for


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ('failed: FATAL:  password authentication failed for user "ada"', False),
        ("failed: fe_sendauth: no password supplied", False),
        ('failed: FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "ada", database "sky"', False),
        ("failed: Connection refused", True),
        ("failed: FATAL:  the database system is starting up", True),
        ("failed: FATAL:  the database system is shutting down", True),
        ("failed: FATAL:  sorry, too many clients already", True),
        ('failed: connection to server on socket "/run/.s.5432" failed: No such file or directory', True),
    ],
)
def test_a_server_that_may_answer_soon_is_told_from_one_that_refused(said: str, passes: bool) -> None:
    error = OperationalError(None, None, psycopg.OperationalError(f"connection {said}"))
    assert may_pass(error) is passes


def test_a_user_who_may_only_read_is_told_so_at_once(made: Callable[..., str]) -> None:
    url = made()
    open_store(url, create=True).close()
    role = f"viewer_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        connection.execute(f"ALTER DATABASE {make_url(url).database} SET role = {role}")
        try:
            with closing(open_store(url)) as store:
                with store.read() as session:
                    assert session.scalar(text("SELECT count(*) FROM saved_filter")) == 0
                refused = pytest.raises(StoreUnreachable, match=r"permission denied.*GRANT")
                with refused as told, store.write() as session:
                    session.add(a_filter("bright"))
            assert told.type is StoreUnreachable  # which nobody waits for
        finally:
            connection.execute(f"RESET role; DROP OWNED BY {role}; DROP ROLE {role}")
