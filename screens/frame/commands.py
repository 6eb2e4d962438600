"""Commands that are typed after ``:``, and found by name in the palette: one list for both."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from core.errors import AstridError
from core.text import safe_text

Words = Sequence[str]


class CommandRefused(AstridError):
    """A command that cannot be understood or done; one sentence."""


def _no_words(_: Words) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that can be typed.

    Attributes
    ----------
    name : str
        One word.
    help : str
        What it does.
    run : callable
        Gets the words after the name; raises `CommandRefused`.
    usage : str
        The words it takes, as in ``[workers=N]``.
    complete : callable
        Gets those words, the last one unfinished, and gives what the last one may become.
    keys : tuple of str
        That do the same.
    takes_text : bool
        What follows the name is one text of its own grammar, whose quotes are its own.
    chooses : bool
        It chooses what the screen shows, as a filter does: keys wait until that is there, and what is not
        understood of it is typed on.
    """

    name: str
    help: str
    run: Callable[[Words], None]
    usage: str = ""
    complete: Callable[[Words], Sequence[str]] = field(default=_no_words)
    keys: tuple[str, ...] = ()
    takes_text: bool = False
    chooses: bool = False


def understood(line: str, commands: Sequence[Command], *, read_only: bool = False) -> tuple[Command, Words]:
    """The command that was typed, and the words that it gets.

    Of a console that is read-only, `commands` holds none that changes anything.

    Raises
    ------
    CommandRefused
    """
    name, _, text = line.strip().partition(" ")
    if not name:
        raise CommandRefused("nothing was typed")
    by_name = {command.name: command for command in commands}
    meant = [each for each in by_name if _may_become(name, each)]
    if name in by_name:
        meant = [name]
    if len(meant) != 1:
        known = [each for each in by_name if ":" not in each]
        raise CommandRefused(_not_one(name, meant, known, read_only=read_only))
    command = by_name[meant[0]]
    return command, [text.strip()] if command.takes_text else _split(text)


def _not_one(name: str, meant: Sequence[str], known: Sequence[str], *, read_only: bool) -> str:
    """Why a name is not that of one command, and what may have been meant."""
    shown = safe_text(name, 40)
    if meant:
        return f"'{shown}' may be {', '.join(meant)}: type more of it"
    near = get_close_matches(name, known, n=3)
    where = " of a read-only console" if read_only else ""
    further = f": did you mean {' or '.join(near)}?" if near else "; ? tells all"
    return f"'{shown}' is no command{where}{further}"


def completions(line: str, commands: Sequence[Command]) -> list[str]:
    """The lines that an unfinished one may become."""
    head, blank, last = line.lstrip().rpartition(" ")
    if not blank:
        found = [command for command in commands if _may_become(last, command.name)]
        return [f"{command.name} " if command.usage else command.name for command in found]
    name, *words = head.split()
    chosen = [command for command in commands if command.name == name]
    if not chosen:
        return []
    offered = chosen[0].complete([*words, last])
    return [f"{head} {word}" for word in offered if word.startswith(last)]


def options(words: Words, allowed: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
    """Words such as ``workers=2`` as values.

    Raises
    ------
    CommandRefused
        A word is no option, or its value is not understood.
    """
    found: dict[str, object] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name not in allowed:
            offered = ", ".join(f"{each}=…" for each in allowed)
            raise CommandRefused(f"'{safe_text(word, 40)}' is not understood; there is {offered}")
        try:
            found[name] = allowed[name](value)
        except ValueError as error:
            raise CommandRefused(
                f"{name} cannot be '{safe_text(value, 40)}': {safe_text(error, 80)}"
            ) from error
    return found


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """A value that is one of some words."""

    def read(value: str) -> str:
        if value not in names:
            raise ValueError(f"it is one of {', '.join(names)}")
        return value

    return read


def positive(value: str) -> int:
    """A whole number above 0."""
    if not (value.isascii() and value.isdecimal() and int(value[:9]) > 0 and len(value) < 10):
        raise ValueError("it is a whole number above 0")
    return int(value)


def _may_become(start: str, name: str) -> bool:
    """Whether a name is meant; those of many alike, such as ``verdict:real``, only from their colon on."""
    return name.startswith(start) and (":" in start or ":" not in name)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise CommandRefused(f"the line is not understood: {error}") from error
