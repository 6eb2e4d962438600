"""One whole task of a reviewer: open, filter, decide twenty, undo three, note, quit, come back, export."""

import csv
import io

from sqlmodel import select

from core.database.store import Store
from core.database.tables import Verdict
from core.frames.standing import stands
from core.review import chain
from core.review.export import write_csv
from core.review.real_rows import real_candidates
from core.vocabulary import LABELS
from tests.builders import add_night

OBJECTS, PASS = 30, 28
FILTER = "snr>14"
KEYS = "rsvnmxdctpirsvnmxdct"  # twenty verdicts, none twice running
UNDONE = 3
NOTE = "near the core"


def begin(store: Store) -> None:
    """The night that is reviewed."""
    add_night(store, objects=OBJECTS)


def written(store: Store) -> list[Verdict]:
    """All rows so far."""
    with store.read() as db:
        return list(db.exec(select(Verdict).order_by(Verdict.id)))


def check_the_end(store: Store) -> None:
    """What is in the store, and in an export, once all was done."""
    labels = {facts.key: label.value for label, facts in LABELS.items()}
    decided = [labels[key] for key in KEYS[:-UNDONE]]
    with store.read() as db:
        standing = list(db.exec(select(Verdict).where(stands(Verdict)).order_by(Verdict.id)))
    assert [row.label for row in standing] == decided
    rows = written(store)
    assert [row.note for row in rows if row.note] == [NOTE]
    assert len(rows) == len(KEYS) + UNDONE + 1
    assert len({row.session for row in rows}) == 1
    assert chain.verify(store) == []
    stream = io.StringIO()
    write_csv(real_candidates(store), stream)
    exported = [row["verdict"] for row in csv.DictReader(io.StringIO(stream.getvalue()))]
    assert sum(bool(verdict) for verdict in exported) >= len(decided)
    assert set(exported) >= set(decided)
