"""Sky objects as a list, on either database."""

import pytest

from core.database.keyset import PageError
from core.objects.object_list import object_page
from core.review.filters import FilterError
from tests.core.rows import add_candidate, add_object


def test_pages_hold_each_object_once_the_newest_first(store):
    ids = [add_object(store) for _ in range(5)]
    for key in ids:
        for score in (1.0, 2.0):
            add_candidate(store, key, score=score, mag=None if key == ids[0] else 19.0)
    found, after = [], None
    while True:
        page = object_page(store, limit=2, after=after)
        found += [row["id"] for row in page.rows]
        if (after := page.next) is None:
            break
    assert found == ids[::-1]
    assert [row["id"] for row in object_page(store, filters="-mag>18").rows] == [ids[0]]
    assert all(row["score"] == 2.0 for row in object_page(store, filters="score>1.5").rows)


def test_what_is_asked_for_wrongly_is_refused(sqlite_store):
    with pytest.raises(FilterError):
        object_page(sqlite_store, filters="colour:red")
    with pytest.raises(PageError):
        object_page(sqlite_store, after="nonsense")
