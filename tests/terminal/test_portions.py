"""How slow a line is, and what goes to it at once."""

import pytest

from screens.tty.portions import (
    ANSWERS,
    ASK_AGAIN_S,
    FIRST,
    GROWTH,
    LEAST,
    LOST_S,
    PORTION_S,
    QUESTION,
    UNKNOWN_S,
    WHOLE,
    Portions,
)
from screens.tty.replies import ReplyFilter

PICTURE = 12_000


class Line:
    """A terminal at the end of a line, and the time there."""

    def __init__(self, bytes_s: float, far_s: float = 0.0) -> None:
        self._bytes_s, self._far_s = bytes_s, far_s
        self.now = 0.0
        self.portions = Portions(lambda: self.now)

    def draw(self, size: int) -> list[int]:
        """Send a drawing; its portions."""
        sent = []
        while size:
            assert self.portions.wait_s <= 0
            sent.append(min(size, self.portions.room or size))
            size -= sent[-1]
            if self.portions.asked(sent[-1]):
                self.now += self._far_s
                self.portions.answered()
                self.now += sent[-1] / self._bytes_s
                self.portions.answered()
        return sent


@pytest.mark.parametrize("bytes_s", [700, 1000, 4000, 20_000])
@pytest.mark.parametrize("far_s", [0.0, 1.5])
def test_a_portion_takes_half_a_second_on_the_line_however_far_it_leads(bytes_s, far_s):
    line = Line(bytes_s, far_s)
    line.draw(PICTURE)
    assert line.portions.is_slow
    assert all(each <= bytes_s * PORTION_S for each in line.draw(PICTURE))
    assert len(line.draw(PICTURE)) <= PICTURE / (bytes_s * PORTION_S) + 2


@pytest.mark.parametrize("far_s", [0.0, 0.7])
def test_a_fast_line_gets_everything_at_once_after_the_first_page(far_s):
    line = Line(1e6, far_s)
    assert line.draw(1500) == [1500]
    assert line.draw(PICTURE) == [PICTURE]
    assert not line.portions.is_slow
    assert not line.portions.asked(80)  # a key in a list costs nothing more


@pytest.mark.parametrize("bytes_s", [1000, 8000])
@pytest.mark.parametrize("far_s", [0.0, 0.2, 0.6, 2.4])
def test_a_line_that_leads_far_is_kept_busy_and_no_more_than_a_portion_waits_for_it(bytes_s, far_s):
    line = Line(bytes_s, far_s)
    line.draw(PICTURE)
    began, free_at, left = line.now, line.now, PICTURE
    answers: list[float] = []
    while left or answers:
        if left and line.portions.wait_s <= 0:
            size = min(left, line.portions.room)
            assert free_at - line.now <= 0.01  # what was sent before has left
            assert line.portions.asked(size)
            answers += [max(free_at, line.now) + far_s, max(free_at, line.now) + size / bytes_s + far_s]
            free_at = max(free_at, line.now) + size / bytes_s
            left -= size
        elif answers and (not left or answers[0] <= line.now + line.portions.wait_s):
            line.now = max(line.now, answers.pop(0))
            line.portions.answered()
        else:
            line.now += line.portions.wait_s
    assert line.now - began <= 1.5 * PICTURE / bytes_s + 2 * far_s


def test_one_wrong_answer_does_little():
    line = Line(1000)
    line.draw(PICTURE)
    before = line.portions.room
    assert line.portions.asked(before)
    line.portions.answered()
    line.portions.answered()  # at once
    assert line.portions.room <= GROWTH * before
    line.draw(PICTURE)
    assert line.portions.room <= 1000 * PORTION_S
    line.now += 1
    line.portions.answered()  # to nothing
    assert line.portions.room <= 1000 * PORTION_S


def test_a_question_beside_another_says_once_that_the_other_was_passed_and_measures_nothing():
    line = Line(1000)
    line.draw(PICTURE)
    room = line.portions.room
    assert line.portions.asked(room)
    line.portions.asked_beside((24, 3))
    took = [line.portions.answered()]
    line.now += room / 1000
    took += [line.portions.answered(), line.portions.answered(), line.portions.answered()]
    assert took == [None, None, (24, 3), None]
    assert line.portions.room == room
    assert not line.portions.is_answer_due


def test_no_portion_is_so_small_that_asking_costs_more_than_sending():
    line = Line(20)
    line.draw(3000)
    assert line.portions.room == LEAST


def test_a_terminal_that_never_answers_holds_up_one_drawing_for_a_moment():
    now = [0.0]
    portions = Portions(lambda: now[0])
    assert portions.room == FIRST
    assert portions.asked(FIRST)
    assert portions.wait_s == UNKNOWN_S
    assert not portions.is_slow
    assert not portions.is_answer_due  # nobody waits for it when the console ends
    now[0] = UNKNOWN_S
    for _ in range(5):
        assert portions.wait_s <= 0
        assert portions.room is None
        portions.asked(PICTURE)
        now[0] += ASK_AGAIN_S


def test_a_terminal_that_does_not_answer_any_more_holds_up_one_drawing_until_it_answers_again():
    line = Line(1000)
    line.draw(PICTURE)
    portions = line.portions
    assert portions.asked(600)
    assert 0 < portions.wait_s <= LOST_S
    line.now += LOST_S
    assert portions.wait_s <= 0
    assert portions.room is None
    assert not portions.asked(PICTURE)
    portions.answered()
    line.now += 1.0
    portions.answered()
    assert portions.room == 300
    portions.asked(500)
    line.now += ASK_AGAIN_S
    assert portions.asked(PICTURE)
    assert portions.room is None
    assert portions.wait_s <= 0


def test_a_larger_drawing_than_any_is_not_slow():
    line = Line(2 * WHOLE / PORTION_S)
    line.draw(1500)
    line.draw(PICTURE)
    assert line.portions.room is None


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_no_key_however_it_is_cut(answer):
    assert QUESTION.endswith("5n")
    for cut in range(len(answer)):
        replies = ReplyFilter()
        passed = replies.feed(answer[:cut]) + replies.feed(answer[cut:] + "j")
        assert (passed, replies.replies) == ("j", [answer])
