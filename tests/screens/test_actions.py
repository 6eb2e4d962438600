"""The registry of actions: keys that never clash, reasons that are told, help that is complete."""

import string
from dataclasses import replace

import pytest
from textual.keys import _character_to_key

from core.cells import Look
from core.vocabulary import LABELS, Label
from screens.action import SCREENS, Action, Situation, Where
from screens.actions import ACTIONS, KeyClash, Registry, footer_actions
from screens.frame.commands import Command
from screens.help.view import help_lines
from screens.key_names import is_key, key_name, key_sign
from screens.lines import plain
from screens.review.actions import verdict_label
from screens.review.screen import ReviewScreen
from screens.review.viewing import Viewing

READY = Situation(is_open=True, has_row=True, has_card=True, is_drawn=True, epochs=3, has_cutouts=True)
REGISTRY = Registry()
DANGER = Action("x:erase", ("E",), "erase", "erase everything", Where.INGEST, "Danger", dangerous=True)


def test_no_two_actions_share_a_key_on_one_screen():
    clash = replace(REGISTRY["undo"], id="other")
    with pytest.raises(KeyClash, match=r"'undo' and 'other' would share the key u \(review\)"):
        Registry([*ACTIONS, clash])


def test_one_key_may_do_different_things_on_different_screens():
    Registry([*ACTIONS, Action("x", ("x",), "x", "x", Where.MODELS, "X")])


def test_ids_are_unique():
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


def test_every_label_has_its_key_of_the_vocabulary():
    given = {verdict_label(action.id): action.keys for action in ACTIONS if verdict_label(action.id)}
    assert given == {label: (facts.key,) for label, facts in LABELS.items()}


def test_the_digits_one_to_six_are_the_screens_everywhere():
    for where in SCREENS:
        found = [REGISTRY.find(where, digit).id for digit in "123456"]
        assert found == [f"screen:{screen}" for screen in SCREENS]


def test_every_action_is_in_help_with_its_keys():
    lines = [plain(line) for line in help_lines(ACTIONS, [Command("go", "go there", print, "[N]")], 200)]
    for action in ACTIONS:
        mine = [line for line in lines if line.endswith(action.help)]
        assert mine, action.id
        assert any(all(key_sign(key) in line for key in action.keys) for line in mine)
    assert any("go [N]" in line and "go there" in line for line in lines)


def test_help_begins_where_one_is_and_cuts_nothing_off():
    long = Command("go", "go there " * 20, print, "[SOMEWHERE] [and=on] [until=LATER] [by=WHOM] [with=WHAT]")
    for here in SCREENS:
        lines = [plain(line) for line in help_lines(ACTIONS, [long], 77, here)]
        assert lines[0] == next(action.group for action in ACTIONS if action.where is here)
        assert max(map(len, lines)) <= 77
        words = " ".join(" ".join(lines).split())
        assert all(" ".join(action.help.split()) in words for action in ACTIONS)
        assert words.endswith(long.help.strip())


def test_every_action_of_the_review_screen_is_handled():
    screen = ReviewScreen()
    handled = set(screen._all_handlers())
    missing = [a.id for a in REGISTRY.on(Where.REVIEW) if a.where is not Where.EVERYWHERE]
    assert set(missing) - handled <= {"mark"}
    for action in REGISTRY.on(Where.VIEW_MENU):
        assert Viewing.begin(Look()).changed(action.id)  # none is unknown there


def test_dangerous_actions_have_capital_keys_and_are_absent_in_read_only_mode():
    registry = Registry([*ACTIONS, DANGER])
    assert DANGER in registry.on(Where.INGEST)
    assert DANGER not in registry.on(Where.INGEST, read_only=True)
    for action in ACTIONS:
        assert not action.dangerous or all(len(key) == 1 and key.isupper() for key in action.keys), action.id


class TestKeyMap:
    def test_other_keys_replace_the_keys_of_an_action(self):
        registry = REGISTRY.with_keys({"undo": ["U", "backspace"], "help": ["f1"]})
        assert registry.find(Where.REVIEW, "U").id == "undo"
        assert registry.find(Where.REVIEW, "u") is None
        assert registry.sign("help") == "f1"

    def test_two_actions_may_swap_their_keys(self):
        registry = REGISTRY.with_keys({"verdict:real": ["s"], "verdict:supernova": ["r"]})
        assert registry.find(Where.REVIEW, "s").id == "verdict:real"

    def test_keys_are_written_as_they_are_on_the_keyboard(self):
        registry = REGISTRY.with_keys({"help": ["!", "esc"], "back": ["<"], "contrast-less": []})
        assert registry.find(Where.REVIEW, "escape").id == "help"
        assert registry.find(Where.REVIEW, key_name("<")).id == "back"

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            ({"undoo": ["u"]}, "no action 'undoo'"),
            ({"undo": ["r"]}, "'verdict:real' and 'undo' would share the key r"),
            ({"undo": ["1"]}, "share the key 1"),
            ({"help": ["s"]}, "share the key s"),
            ({"verdict:real": ["ctrl+foo"]}, r"'ctrl\+foo' is no key: write one character, such as R"),
            ({"undo": ["U", ""]}, "'' is no key"),
        ],
    )
    def test_what_cannot_be_given_is_said_in_a_sentence(self, keys, said):
        with pytest.raises(KeyClash, match=said):
            REGISTRY.with_keys(keys)

    @pytest.mark.parametrize(
        "key",
        [
            "F5",
            "ab",
            "ctrl+",
            "hyperspace+r",
            "shift+r",
            "ctrl+R",
            "solidus",
            "return",
            "<any>",
            "ctrl+foo",
            "\x1b",
        ],
    )
    def test_what_no_terminal_sends_is_no_key(self, key):
        assert not is_key(key_name(key))

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("+", "plus"), ("ctrl++", "ctrl+plus"), ("!", "exclamation_mark"), ("§", "section_sign"),
            (" ", "space"), ("é", "é"), ("shift+ctrl+left", "ctrl+shift+left"), ("page down", "pagedown"),
            ("question_mark", "question_mark"), ("shift+f5", "shift+f5"), ("ctrl+_", "ctrl+underscore"),
        ],
    )  # fmt: skip
    def test_a_key_is_named_as_textual_names_it(self, key, name):
        assert key_name(key) == name
        assert is_key(name)

    @pytest.mark.parametrize("character", string.punctuation + string.ascii_letters + string.digits + " é§")
    def test_every_character_that_can_be_typed_is_a_key(self, character):
        assert key_name(character) == _character_to_key(character)
        assert is_key(key_name(character))

    def test_all_keys_that_actions_come_with_are_keys(self):
        assert [key for action in ACTIONS for key in action.keys if not is_key(key)] == []

    def test_what_cannot_be_undone_stays_on_capitals(self):
        with pytest.raises(KeyClash, match="capital"):
            Registry([*ACTIONS, DANGER]).with_keys({"x:erase": ["e"]})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"read_only": True}, "read-only"),
        ({"is_open": False}, "store"),
        ({"is_writing": True}, "written"),
        ({"has_card": False}, "no card"),
        ({"is_drawn": False}, "not drawn"),
    ],
)
def test_a_verdict_says_why_it_cannot_be_given(change, reason):
    verdict = REGISTRY[f"verdict:{Label.REAL.value}"]
    assert verdict.why_disabled(READY) is None
    assert reason in verdict.why_disabled(replace(READY, **change))


def test_looking_is_never_disabled_by_read_only_mode():
    now = replace(READY, read_only=True)
    refused = {action.id for action in REGISTRY.on(Where.REVIEW) if action.why_disabled(now)}
    assert refused == {a.id for a in ACTIONS if verdict_label(a.id)} | {"undo", "redo", "note", "bulk"}


@pytest.mark.parametrize("where", [*SCREENS, Where.VIEW_MENU])
def test_what_read_only_mode_refuses_is_not_offered_in_it(where):
    now = replace(READY, read_only=True, has_row=True, is_open=True)
    offered = REGISTRY.on(where, read_only=True)
    assert not any("read-only" in (action.why_disabled(now) or "") for action in offered)
    hidden = [action for action in REGISTRY.on(where) if action not in offered]
    assert all("read-only" in (action.why_disabled(now) or "") for action in hidden)
    assert {action.id for action in hidden} <= {action.id for action in ACTIONS if action.writes}


def test_the_keys_that_readers_were_offered_in_vain_are_hidden():
    hidden = {action.id for action in REGISTRY.offered()} - {a.id for a in REGISTRY.offered(read_only=True)}
    assert {"models:train", "pipeline:start", "verdict:real", "undo", "health:acknowledge"} <= hidden
    assert not hidden & {"open", "filter", "detail", "header", "health:past", "ingest:candidates", "quit"}


@pytest.mark.parametrize("width", [40, 80, 140, 200])
@pytest.mark.parametrize("where", SCREENS)
def test_the_footer_fits_and_always_offers_help(width, where):
    kept = footer_actions(REGISTRY.on(where), width)
    length = sum(len(key_sign(action.keys[0])) + 1 + len(action.label) for action in kept) + len(kept) - 1
    assert length <= width
    assert REGISTRY["help"] in kept
