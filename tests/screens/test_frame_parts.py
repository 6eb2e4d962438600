"""The frame's parts: the header, key sequences, commands, and what is remembered."""

import asyncio
import errno
import json
import os
import signal
import stat
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.operations.headline import Headline, OpenEvent, RunAtWork
from core.text import safe_text
from screens import clipboard
from screens.action import SCREENS, Where
from screens.actions import Registry, footer_actions
from screens.clipboard import COPIES, keep
from screens.frame.commands import Command, CommandRefused, completions, one_of, options, positive, understood
from screens.frame.footer import action_at, count_line, footer_line, menu_line
from screens.frame.header import Clock, Surroundings, header_line
from screens.frame.keys import KeyReader
from screens.frame.memory import Memory, file_of
from screens.key_names import key_sign
from screens.lines import Tone, plain, span, wrapped

NOON = 1_790_000_000.0
FULL = Headline(
    awaiting=123, queued=45, running=2, failed=6, watts=311.4, run=RunAtWork(17, "prefect", False, 1),
    event=OpenEvent("failed", "the disk is full", 3),
)  # fmt: skip


def around(**changes):
    facts = {
        "screen": "pipeline", "key": "2", "host": safe_text("observatory-control-1"), "now": NOON,
        "clock": Clock(), "read_only": False,
    }  # fmt: skip
    return Surroundings(**(facts | changes))


class TestHeader:
    @pytest.mark.parametrize("width", range(40, 201, 8))
    @pytest.mark.parametrize("read_only", [False, True])
    @pytest.mark.parametrize("trouble", [None, safe_text("gone")])
    def test_it_is_one_line_of_the_terminals_width(self, width, read_only, trouble):
        line = plain(header_line(around(read_only=read_only, trouble=trouble), FULL, width))
        assert len(line) == width
        assert "pipeline" in line

    def test_at_the_design_size_it_says_how_things_stand(self):
        line = plain(header_line(around(), FULL, 80))
        for part in ("2 pipeline", "123 await", "45 queued", "6 failed", "run 17", "! failed +3"):
            assert part in line

    def test_the_worst_is_said_last_and_never_left_out(self):
        line = plain(header_line(around(read_only=True, trouble=safe_text("gone")), FULL, 44))
        assert "STORE DOWN" in line
        assert "READ-ONLY" in line

    def test_with_room_it_says_everything(self):
        line = plain(header_line(around(), FULL, 160))
        for part in ("observatory-control-1", "UTC", "night of", "311 W"):
            assert part in line

    def test_before_the_store_is_read_it_says_where_one_is(self):
        assert "AstrID  2 pipeline" in plain(header_line(around(), None, 80))

    def test_the_clock_changes_no_more_often_than_asked_for(self):
        texts = {
            by: {Clock(by).text(NOON + second) for second in range(120)} for by in ("seconds", "minutes")
        }
        assert len(texts["seconds"]) == 120
        assert len(texts["minutes"]) <= 3
        assert Clock("off").text(NOON) == ""

    @pytest.mark.parametrize(
        ("east_deg", "evening", "night"),
        [
            (0.0, "2026-12-31T18:00", "12-31"),
            (-155.5, "2027-01-01T04:30", "12-31"),  # Hawaii, where it is still the evening of the 31st
            (149.1, "2026-12-31T08:30", "12-31"),  # Siding Spring
            (179.9, "2026-12-31T06:30", "12-31"),  # on either side of the date line
            (-179.9, "2027-01-01T06:30", "12-31"),
        ],
    )
    def test_a_night_has_one_name_from_dusk_to_dawn_wherever_the_site_is(self, east_deg, evening, night):
        dusk = datetime.fromisoformat(f"{evening}+00:00").timestamp()
        names = {Clock("minutes", east_deg).night(dusk + 600.0 * step) for step in range(66)}  # 11 hours
        assert names == {night}
        assert f"night of {night}" in plain(
            header_line(around(now=dusk, clock=Clock("minutes", east_deg)), None, 120)
        )


class TestKeys:
    def press(self, keys, where=Where.REVIEW):
        reader, registry = KeyReader(where), Registry()
        return [reader.press(key, registry) for key in keys][-1]

    @pytest.mark.parametrize(
        ("keys", "action", "count"),
        [
            ("j", "next", None),
            ("05j", "next", 5),
            ("8j", "next", 8),
            ("0123k", "previous", 123),
            ("012G", "last", 12),
            ("5", "screen:power", None),
            ("r", "verdict:real", None),
        ],
    )
    def test_counts_begin_with_a_digit_that_is_no_screen(self, keys, action, count):
        pressed = self.press(keys)
        assert (pressed.action.id, pressed.count) == (action, count)

    def test_an_endless_count_stays_a_number(self):
        assert self.press("0" + "9" * 500 + "j").count < 10**7

    def test_back_takes_back_a_count_and_nothing_else(self):
        assert self.press(["0", "5", "escape"]).action is None
        assert self.press(["0", "5", "escape", "j"]).count is None

    def test_in_a_menu_only_its_own_keys_count(self):
        reader, registry = KeyReader(Where.REVIEW), Registry()
        reader.open(Where.VIEW_MENU, "view")
        assert reader.press("s", registry).action.id == "view:stretch"
        assert not reader.press("r", registry).is_known  # a verdict must not slip through
        assert reader.menu is Where.VIEW_MENU
        assert reader.press("comma", registry).action is None
        assert reader.menu is None
        assert reader.press("s", registry).action.id == "verdict:supernova"

    @pytest.mark.parametrize("width", [40, 80])
    def test_hints_fit_and_name_what_may_follow(self, width):
        registry = Registry()
        line = plain(count_line("012", registry.on(Where.REVIEW), "esc", width))
        assert "count 12" in line
        assert "j next" in line
        for hint in (line, plain(menu_line("view menu", registry.on(Where.VIEW_MENU), "esc", width))):
            assert hint.endswith("  esc close ")
            assert len(hint) <= width


@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_click_on_the_footer_is_on_what_stands_there(width):
    actions = Registry().on(Where.REVIEW)
    line = plain(footer_line(actions, width))
    named = [
        (action, f"{key_sign(action.keys[0])} {action.label}") for action in footer_actions(actions, width)
    ]
    assert line == " ".join(text for _, text in named)
    start = 0
    for action, text in named:
        assert action_at(actions, width, start) is action
        assert action_at(actions, width, start + len(text) - 1) is action
        start += len(text) + 1
    assert action_at(actions, width, len(line) + 1) is None


class TestCommands:
    @pytest.fixture
    def done(self):
        return []

    @pytest.fixture
    def commands(self, done):
        return [
            Command("run", "run", lambda words: done.append(("run", list(words))), "[workers=N]",
                    lambda _: ("workers=", "limit=")),
            Command("redo", "redo", lambda words: done.append(("redo", list(words)))),
        ]  # fmt: skip

    def test_words_may_be_quoted_and_names_cut_short(self, commands):
        command, given = understood('ru "a b" c', commands)
        assert (command.name, given) == ("run", ["a b", "c"])

    def test_a_text_keeps_its_own_quotes(self):
        named = Command("filter", "f", lambda words: None, takes_text=True)
        typed = ' filter  object:"AID J1 +2"  snr>7 ', "filter"
        given = [understood(line, [named])[1] for line in typed]
        assert given == [['object:"AID J1 +2"  snr>7'], [""]]

    @pytest.mark.parametrize(
        ("line", "said"),
        [("", "nothing"), ("walk", "no command"), ("r", "may be"), ('run "', "not understood"),
         ("\x1b]52;c;x\x07", "no command")],
    )  # fmt: skip
    def test_what_is_not_understood_is_said_safely(self, commands, done, line, said):
        with pytest.raises(CommandRefused, match=said) as refusal:
            understood(line, commands)
        assert not any(ord(character) < 32 for character in str(refusal.value))
        assert done == []

    def test_completion_goes_word_by_word(self, commands):
        assert completions("r", commands) == ["run ", "redo"]
        assert completions("run w", commands) == ["run workers="]
        assert completions("run workers=2 l", commands) == ["run workers=2 limit="]
        assert completions("walk x", commands) == []
        assert completions("  run w", commands) == ["run workers="]
        assert completions(" ", commands) == completions("", commands)

    def test_options_are_values_of_their_kind(self):
        allowed = {"workers": positive, "engine": one_of(["local", "prefect"])}
        assert options(["workers=2", "engine=local"], allowed) == {"workers": 2, "engine": "local"}

    @pytest.mark.parametrize(
        "word", ["workers", "workers=", "workers=0", "workers=-1", "workers=٣", "engine=x", "n=1"]
    )
    def test_options_that_make_no_sense_are_refused(self, word):
        with pytest.raises(CommandRefused):
            options([word], {"workers": positive, "engine": one_of(["local"])})


class TestMemory:
    def test_what_was_written_is_read(self, tmp_path):
        memory = Memory("power", "dome", {"review": {"filter": "snr>7", "object": 3}})
        memory.write(tmp_path, "vera")
        assert Memory.read(tmp_path, "vera") == memory
        assert [file.name for file in tmp_path.iterdir()] == ["console-vera.json"]

    @pytest.mark.parametrize(
        "text",
        ["", "{", "null", "[1]", '"x"', '{"screen": 7, "theme": [], "screens": [1]}', "\x00\xff",
         '{"screens": {"review": 3}}', "[" * 100_000],
    )  # fmt: skip
    def test_a_damaged_file_is_as_none(self, tmp_path, text):
        (tmp_path / file_of("vera")).write_bytes(text.encode("latin-1"))
        assert Memory.read(tmp_path, "vera") == Memory()

    def test_a_failed_write_leaves_the_old_file(self, tmp_path):
        Memory("power").write(tmp_path, "vera")
        with pytest.raises(ValueError, match="JSON"):
            Memory("power", None, {"x": {"y": float("nan")}}).write(tmp_path, "vera")
        assert json.loads((tmp_path / file_of("vera")).read_text())["screen"] == "power"

    @pytest.mark.parametrize("reviewer", ["../x", "a/b", "", ".", "é" * 300, "\udc80", "x\0y", "a b"])
    def test_any_name_has_a_file_of_its_own(self, tmp_path, reviewer):
        Memory("health").write(tmp_path, "vera")
        Memory("power").write(tmp_path, reviewer)
        assert Memory.read(tmp_path, reviewer).screen == "power"
        assert Memory.read(tmp_path, "vera").screen == "health"
        assert len([*tmp_path.iterdir()]) == 2


class TestCopies:
    def test_copies_are_kept_line_by_line(self, tmp_path):
        keep(tmp_path / COPIES, safe_text("one"))
        keep(tmp_path / COPIES, safe_text("two\nthree"))
        assert (tmp_path / COPIES).read_text() == "one\ntwo␊three\n"

    def test_a_file_that_grew_large_loses_its_older_half(self, tmp_path):
        file = tmp_path / COPIES
        file.write_text("".join(f"line {number}\n" for number in range(200_000)))
        before = file.stat().st_size
        keep(file, safe_text("newest"))
        assert file.stat().st_size < before / 2
        lines = file.read_text().splitlines()
        assert lines[-1] == "newest"
        assert all(line.startswith("line ") for line in lines[:-1])

    def test_where_the_disk_is_full_no_copy_is_lost(self, tmp_path, monkeypatch):
        file = tmp_path / COPIES
        file.write_text("".join(f"line {number}\n" for number in range(200_000)))
        before = file.read_bytes()

        def write_half(path, content):
            with path.open("wb") as stream:
                stream.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", write_half)
        with pytest.raises(OSError, match="No space left"):
            keep(file, safe_text("newest"))
        assert file.read_bytes() == before
        assert list(tmp_path.iterdir()) == [file]

    def test_a_tmux_that_hangs_is_ended(self, tmp_path, monkeypatch):
        tmux = tmp_path / "tmux"
        tmux.write_text("#!/bin/sh\nexec sleep 600\n")
        tmux.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(clipboard, "_TMUX_TIMEOUT_S", 0.05)
        start, started = asyncio.create_subprocess_exec, []

        async def watched(*words, **named):
            started.append(await start(*words, **named))
            return started[-1]

        monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
        assert not asyncio.run(clipboard._to_tmux("text"))
        assert [each.returncode for each in started] == [-signal.SIGKILL]


def test_every_screen_has_its_own_name_and_key():
    registry = Registry()
    assert len({registry.sign(f"screen:{where}") for where in SCREENS}) == 6


def test_a_crash_leaves_a_private_log_and_a_safe_sentence(tmp_path):
    from astrid_tui.crash import Crash

    crash = Crash()
    crash.folder = tmp_path / "logs"
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("\x1b]52;c;eA==\x07[/boom] " + "x" * 5000)
    crash.keep(caught.value)
    (log,) = crash.folder.iterdir()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "test_frame_parts" in log.read_text()
    assert "\x1b" not in log.read_text() + crash.sentence
    assert str(log) in crash.sentence
    assert len(crash.sentence) < 1000


@given(
    words=st.lists(st.text("abcé", min_size=1, max_size=12), max_size=40),
    width=st.integers(14, 90),
    rows=st.integers(1, 4),
)
def test_a_long_notice_is_told_over_several_lines_and_only_a_cut_is_marked(words, width, rows):
    sentence = tuple(
        span(word + " ", Tone.WARN if place % 3 else Tone.KEY) for place, word in enumerate(words)
    )
    found = wrapped((span(" "), *sentence), width, rows)
    assert 1 <= len(found) <= rows
    assert all(len(plain(line)) <= width for line in found)
    told = " ".join(plain(line) for line in found).split()
    if not any(word.endswith("…") for word in told):
        assert told == words
    else:
        assert told[:-1] == words[: len(told) - 1]
