"""The registry of actions: keys that never clash, reasons that are told, help that is complete."""

from collections import Counter
from dataclasses import replace

import pytest

from astrid_tui.app import Console
from core.vocabulary import LABELS, Label
from screens.actions import (
    ACTIONS,
    BY_ID,
    Situation,
    Where,
    actions_on,
    footer_actions,
    key_sign,
    verdict_label,
)
from screens.help.view import help_lines
from screens.lines import plain
from screens.review.screen import ReviewScreen
from screens.review.viewing import CHANGES
from screens.terminal import Terminal

READY = Situation(is_open=True, has_card=True, is_drawn=True, epochs=3, has_cutouts=True)


@pytest.mark.parametrize("where", [Where.REVIEW, Where.VIEW_MENU])
def test_no_two_actions_share_a_key_on_one_screen(where):
    here = actions_on(where) + (actions_on(Where.EVERYWHERE) if where is Where.REVIEW else [])
    counted = Counter(key for action in here for key in action.keys)
    assert [key for key, times in counted.items() if times > 1] == []


def test_ids_are_unique():
    assert len(BY_ID) == len(ACTIONS)


def test_every_label_has_its_key_of_the_vocabulary():
    given = {verdict_label(action.id): action.keys for action in ACTIONS if verdict_label(action.id)}
    assert given == {label: (facts.key,) for label, facts in LABELS.items()}


def test_every_action_is_in_help_with_its_keys():
    lines = [plain(line) for line in help_lines(list(ACTIONS), 160)]
    for action in ACTIONS:
        mine = [line for line in lines if line.endswith(action.help)]
        assert mine, action.id
        assert all(key_sign(key) in mine[0] for key in action.keys)


def test_every_action_of_the_review_screen_is_handled():
    screen = ReviewScreen(lambda: None, Terminal(), read_only=False)
    handled = set(screen._handlers) | CHANGES
    missing = [a.id for a in actions_on(Where.REVIEW) if a.id not in handled and verdict_label(a.id) is None]
    assert missing == []
    assert {action.id for action in actions_on(Where.VIEW_MENU)} <= CHANGES


def test_every_key_of_the_registry_is_bound_once():
    screen_keys = {key for action in actions_on(Where.REVIEW) for key in action.keys}
    app_keys = {key for action in actions_on(Where.EVERYWHERE) for key in action.keys}
    bound = {key for binding in ReviewScreen.BINDINGS for key in binding.key.split(",")}
    assert bound == screen_keys
    assert {key for binding in Console.BINDINGS for key in binding.key.split(",")} == app_keys


def test_keys_of_screens_that_do_not_exist_are_absent():
    assert not {key for action in ACTIONS for key in action.keys} & set("12456")


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
    verdict = BY_ID[f"verdict:{Label.REAL.value}"]
    assert verdict.why_disabled(READY) is None
    assert reason in verdict.why_disabled(replace(READY, **change))


def test_looking_is_never_disabled_by_read_only_mode():
    now = replace(READY, read_only=True)
    refused = {action.id for action in actions_on(Where.REVIEW) if action.why_disabled(now)}
    assert refused == {a.id for a in ACTIONS if verdict_label(a.id)} | {"undo", "redo", "note"}


@pytest.mark.parametrize("width", [40, 80, 140, 200])
def test_the_footer_fits_and_always_offers_help(width):
    offered = [*actions_on(Where.REVIEW), *actions_on(Where.EVERYWHERE)]
    kept = footer_actions(offered, width)
    length = sum(len(key_sign(action.keys[0])) + 1 + len(action.label) for action in kept) + len(kept) - 1
    assert length <= width
    assert BY_ID["help"] in kept
