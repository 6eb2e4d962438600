"""The terminal is closed, or the console ended: what was decided stays, and the card is put away."""

import json
import signal

import pytest
from sqlmodel import select

from core.database.tables import OpenCard, Verdict
from core.review.chain import verify
from tests.builders import add_night, make_store
from tests.terminal.test_console import console

AT_ONCE = "from screens.review import company; company.SETTLE_S = 0.0"
SLOWLY = """
import time
from core.review import verdicts
whole = verdicts.decide
def decide(*given, **more):
    time.sleep(1.0)
    return whole(*given, **more)
verdicts.decide = decide
"""


@pytest.fixture
def night(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=6)
    yield store, url
    store.close()


def rows(store, table):
    with store.read() as db:
        return list(db.exec(select(table)))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_puts_the_card_away_and_keeps_where_one_was(night, tmp_path, number):
    store, url = night
    with console(tmp_path, url, before=AT_ONCE, exit_code=128 + number) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        terminal.press("j")
        terminal.until("2 of 6")
        terminal.wait(lambda: [row.reviewer for row in rows(store, OpenCard)] == ["vera"])
        terminal.process.send_signal(number)
    assert rows(store, OpenCard) == []
    (kept,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert "Traceback" not in terminal.text
    assert kept["screens"]["review"]["object"] is not None


def test_a_terminal_that_is_closed_in_mid_verdict_loses_none(night, tmp_path):
    store, url = night
    with console(tmp_path, url, before=SLOWLY, exit_code=128 + signal.SIGHUP) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        terminal.press("s")
        terminal.read(0.3)
        terminal.close()
    assert [row.label for row in rows(store, Verdict)] == ["supernova"]
    assert verify(store) == []
