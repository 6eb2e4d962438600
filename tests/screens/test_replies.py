"""Replies of the terminal, whole, in pieces, late and never ending: no part of one is ever a key."""

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from screens.tty.replies import ReplyFilter

REPLIES = [
    "\x1b[?62;4;22c", "\x1b[6;20;10t", "\x1b_Gi=31;OK\x1b\\", "\x1b_Gi=31;EINVAL:rxdct\x1b\\",
    "\x1bP>|XTerm(390)\x1b\\", "\x1b]11;rgb:0000/0000/0000\x07",
]  # fmt: skip


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_in_two_pieces_is_whole_again(reply):
    for cut in range(1, len(reply)):
        replies = ReplyFilter()
        assert replies.feed(reply[:cut]) + replies.feed(reply[cut:] + "j") == "j"
        assert replies.replies == [reply]


@pytest.mark.parametrize("reply", REPLIES)
def test_the_rest_of_a_reply_that_was_given_up_is_not_typed(reply):
    for cut in range(2, len(reply)):
        replies = ReplyFilter()
        assert replies.feed(reply[:cut]) == ""
        assert not replies.give_up()
        assert replies.feed(reply[cut:] + "j") == "j"
        assert replies.feed("r") == "r"
        assert replies.replies == []


def test_the_rest_may_come_in_pieces_too():
    replies = ReplyFilter()
    replies.feed("\x1b[?6")
    replies.give_up()
    assert replies.feed("2;") + replies.feed("4") + replies.feed("c") == ""
    assert replies.feed("c") == "c"
    replies.feed("\x1b_Gi=31;E")
    replies.give_up()
    assert replies.feed("rxd") + replies.feed("ct\x1b\\") == ""
    assert replies.feed("x") == "x"


def test_a_string_that_never_ends_takes_no_keys_with_it():
    replies = ReplyFilter()
    replies.feed("\x1b_Gi=31;OK")
    replies.give_up()
    assert replies.feed("r") + replies.feed("x") == "rx"


def test_after_a_sequence_that_was_given_up_others_are_what_they_are():
    replies = ReplyFilter()
    replies.feed("\x1b[?62;")
    replies.give_up()
    assert replies.feed("\x1bOB") == "\x1bOB"
    assert replies.feed("\x1b[24;3R") == "\x1b[24;3R"


def test_a_sequence_that_another_comes_into_is_not_typed():
    replies = ReplyFilter()
    assert replies.feed("\x1b[6;2") + replies.feed("\x1b[24;2R") == "\x1b[24;2R"


def test_a_paste_whose_ends_come_late_is_not_typed():
    paste = "\x1b[200~rxdct\x1b[201~"
    for cut in range(2, len(paste)):
        replies = ReplyFilter()
        passed = replies.feed(paste[:cut])
        assert not replies.give_up()
        assert passed + replies.feed(paste[cut:] + "j") == paste + "j"


def test_the_escape_key_is_followed_by_keys():
    replies = ReplyFilter()
    replies.feed("\x1b")
    assert replies.give_up()
    assert replies.feed("[") == "["


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1b3", ["escape", "3"]),
        ("\x1b/", ["escape", "slash"]),
        ("\x1b\x10", ["escape", "ctrl+p"]),
        ("\x1bd", ["escape"]),  # alt+d, which deletes a word elsewhere: no verdict
        ("\x1b\x1bx", ["escape", "escape"]),
        ("\x1bkjj", ["escape", "j", "j"]),
    ],
)
def test_the_escape_key_is_one_though_another_comes_with_it_in_one_piece_and_a_letter_is_none(typed, keys):
    parser, replies = XTermParser(), ReplyFilter()
    assert [event.key for event in parser.feed(replies.feed(typed)) if isinstance(event, Key)] == keys


@pytest.mark.parametrize("rest", ["[B", "OB", "[1;5D", "[5~"])
def test_what_comes_at_once_behind_an_escape_that_was_taken_for_the_key_is_not_typed(rest):
    replies = ReplyFilter()
    replies.feed("\x1b")
    assert replies.give_up()
    assert replies.feed(rest + "j") == "j"
    assert replies.feed(rest) == rest
    replies.feed("\x1b")
    assert replies.give_up()
    assert "".join(replies.feed(each) for each in rest) == rest
