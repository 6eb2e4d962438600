"""The console's command line: what can be typed on every screen, and found in the palette."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand

from core.database.keys import key_in
from core.text import safe_text
from screens.action import SCREENS, Where
from screens.frame.base import FrameScreen
from screens.frame.commands import (
    Command,
    CommandRefused,
    Words,
    completions,
    one_of,
    options,
    positive,
    understood,
)
from screens.key_names import key_sign
from screens.lines import Tone
from screens.review.why_sheet import why_anywhere
from screens.themes import THEMES

if TYPE_CHECKING:
    from astrid_tui.app import Console
    from core.database.tables import Run
    from core.operations.launch import StartedRun
    from screens.frame.opened import Opened

ENGINES = ("auto", "local", "prefect")
CLOCKS = ("seconds", "minutes", "off")


class CommandLine:
    """What can be typed after ``:``, or found by name, on the screen that is open."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def typed(self) -> list[Command]:
        """Commands proper: the screen's own, then those of the console."""
        here = self._console.here
        common = console_commands(self._console)
        if here.WHERE is not Where.REVIEW:  # which has its own, of the card
            common.append(why_anywhere(here))
        return [*here.commands(), *common]

    def all(self) -> list[Command]:
        """Commands, and the actions of the screen by their names."""
        screen = self._console.here
        found = self.typed()
        taken = {command.name for command in found} | {"command", "palette"}
        for action in screen.usable_actions():
            if action.id not in taken:
                found.append(
                    Command(action.id, action.help, partial(_do, screen, action.id), keys=action.keys)
                )
        return found

    def ask(self, question: str = "command, such as: run workers=2", before: str = "") -> None:
        """Let the user type one."""
        commands = self.all()
        self._console.here.ask_line(question, before, self.run, lambda line: completions(line, commands))

    def run(self, line: str) -> None:
        """Do what was typed, or say what is not understood of it."""
        screen = self._console.here
        try:
            if line:
                command, words = understood(line, self.all(), read_only=self._console.read_only)
                if not command.chooses or self._console.opened is None:  # else the prompt waits for its rows
                    screen.prompt.close()
                command.run(words)
        except CommandRefused as error:
            screen.prompt.close()
            screen.refuse(error)
        if not screen.prompt.is_waiting:
            screen.prompt.close_answered()

    def palette(self) -> Iterator[SystemCommand]:
        """The same by what it does; Textual's palette reads markup."""
        for command in self.all():
            keys = " ".join(key_sign(key) for key in command.keys)
            told = _as_markup(f"{command.name} {command.usage}  {keys}")
            yield SystemCommand(_as_markup(command.help), told, self._chosen(command))

    def _chosen(self, command: Command) -> Callable[[], None]:
        """Do it; one that takes words is typed on."""
        if command.usage:
            return partial(self.ask, f"{command.name} {command.usage}", f"{command.name} ")
        return partial(self.run, command.name)


def console_commands(console: "Console") -> list[Command]:
    """All of them; those that change something are absent in read-only mode."""
    always = [
        Command(
            "theme",
            "choose a theme",
            partial(_theme, console),
            "|".join(THEMES),
            lambda _: tuple(THEMES),
        ),
        Command(
            "clock",
            "how exactly the header tells the time",
            partial(_clock, console),
            "|".join(CLOCKS),
            lambda _: CLOCKS,
        ),
        Command(
            "filter",
            "choose rows of this screen; without words, all",
            lambda words: console.here.choose_typed(words[0]),
            "[TERM ...]",
            takes_text=True,
            chooses=True,
        ),
        *(
            Command(where.value, f"go to the screen {where.value}", partial(_go, console, where))
            for where in SCREENS
        ),
    ]
    if console.read_only:
        return always
    return [
        Command(
            "run",
            "process what is queued; the run outlives the console",
            partial(_run, console),
            "[workers=N] [limit=N] [engine=auto|local|prefect]",
            lambda _: ("workers=", "limit=", *(f"engine={name}" for name in ENGINES)),
        ),
        Command(
            "cancel",
            "stop a run: frames in hand are finished, with 'now' given back",
            partial(_cancel, console),
            "[RUN] [now]",
            lambda _: ("now",),
        ),
        *always,
    ]


def _as_markup(text: str) -> str:
    """A text that Textual shows as it is; its own way to do so takes ``[RUN]`` for a style."""
    return text.replace("[", r"\[")


def _do(screen: FrameScreen[Any], action_id: str, words: Words) -> None:
    if words:
        raise CommandRefused(f"{action_id} takes no words")
    screen.do(action_id)


def _go(console: "Console", where: Where, words: Words) -> None:
    if words:
        raise CommandRefused(f"{where.value} takes no words")
    console.go(where)


def _theme(console: "Console", words: Words) -> None:
    console.choose_theme(_one(words, tuple(THEMES), "theme"))


def _clock(console: "Console", words: Words) -> None:
    console.clock = replace(console.clock, by=_one(words, CLOCKS, "clock"))
    console.here.paint_header()


def _run(console: "Console", words: Words) -> None:
    allowed = {"workers": positive, "limit": positive, "engine": one_of(ENGINES)}
    wished: dict[str, Any] = {"engine": "auto"} | options(words, allowed)
    opened = _opened(console)

    def begin() -> "StartedRun":
        from screens.pipeline.reading import start

        return start(opened, **wished)

    def told(run: "StartedRun") -> None:
        note = f"; {run.note}" if run.note else ""
        console.here.say(f"run {run.run_id} has begun, {run.engine}{note}", Tone.GOOD)
        console.look()

    if wished["engine"] != "local":
        console.warm_up()
    console.here.say("starting a run …", Tone.DIM)
    console.here.in_background(begin, told, "no run was started")


def _cancel(console: "Console", words: Words) -> None:
    numbers = [key_in(word) for word in words if word != "now"]
    opened = _opened(console)
    if len(numbers) > 1 or None in numbers:
        raise CommandRefused("cancel takes the number of a run, and 'now'")
    named = [number for number in numbers if number is not None]

    def stop() -> int:
        from core.operations.runs import cancel, newest

        (run_id,) = named or (_newest_at_work(newest(opened.store, limit=1, running=True)),)
        cancel(opened.store, run_id, now="now" in words)
        return run_id

    console.here.in_background(
        stop,
        lambda number: console.here.say(f"run {number} was asked to stop", Tone.GOOD),
        "nothing was stopped",
    )


def _newest_at_work(rows: "Sequence[Run]") -> int:
    if not rows:
        raise CommandRefused("no run is at work")
    return rows[0].id or 0


def _opened(console: "Console") -> "Opened":
    if console.opened is None:
        raise CommandRefused("the store is not open")
    return console.opened


def _one(words: Words, allowed: Sequence[str], name: str) -> str:
    if not words:
        raise CommandRefused(f"{name} takes one of {', '.join(allowed)}")
    if len(words) != 1 or words[0] not in allowed:
        given = safe_text(" ".join(words), 40)
        raise CommandRefused(f"'{given}' is no {name}: {', '.join(allowed)}")
    return words[0]
