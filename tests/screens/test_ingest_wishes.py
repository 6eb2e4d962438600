"""What the ingest screen asks of the store: the state that is shown holds beside any filter."""

import pytest

from core.frames import queue
from core.frames.frame_filters import matching
from core.review.filter_words import FilterError
from screens.ingest.reading import Chosen, Wish, drop, read
from tests.core.frames import add_frames


def test_a_state_holds_for_either_side_of_an_or(store):
    first, second, third = add_frames(store, 1, 2, 3)
    queue.drop(store, [third], by="vera")
    either = "frame:n1* or frame:n3*"
    assert matching(store, either) == [first, third]
    answer = read(Wish("queued", either), 0.0, None, store)
    assert [row.id for row in answer.part.rows] == [first]
    assert drop(Chosen(filters=answer.wish.expression), "vera", store) == 1
    assert matching(store, "state:queued") == [second]


@pytest.mark.parametrize(
    ("filters", "expression"),
    [
        ("", "state:queued"),
        ("id>1 -frame:x", "state:queued id>1 -frame:x"),
        ("id>1 or id<1", "state:queued (id>1 or id<1)"),
    ],
)
def test_a_state_stands_before_its_filter(filters, expression):
    assert Wish("queued", filters).expression == expression
    assert Wish("", filters).expression == filters


def test_parentheses_that_do_not_fit_are_refused_beside_a_state_too():
    with pytest.raises(FilterError):
        _ = Wish("queued", "id>1) or (id<1").expression
