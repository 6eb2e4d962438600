"""What is wrong with a command line, in words of somebody who types it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from core.settings_words import in_plain_words
from core.text import safe_text

MOST_SAID = 1000  # letters


@runtime_checkable
class _NoSuchOption(Protocol):
    """What Typer's parser raises; its class is not public."""

    option_name: str
    possibilities: Any
    message: str
    ctx: Any


@runtime_checkable
class _WrongUsage(Protocol):
    """What Typer's parser raises, with the words that were typed in it; its class is not public."""

    message: str

    def format_message(self) -> str: ...


class PlainWords(TyperGroup):
    """Commands that say what is wrong with a word, and behind which of them an option goes."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read what comes before the command."""
        with _displayable():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run one of them."""
        with _displayable():
            return self._invoke(ctx)

    def _invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = re.sub(r"^dir(?= ')", "folder", in_plain_words(error.message))
            raise
        except Exception as error:
            if isinstance(error, _NoSuchOption) and isinstance(error.ctx.command, TyperGroup):
                error.message += _who_has(error.option_name, error.ctx.command.commands)
            raise


@contextmanager
def _displayable() -> Iterator[None]:
    """Make what is said of a wrong word fit to be displayed: it quotes the word."""
    try:
        yield
    except Exception as error:
        if isinstance(error, _WrongUsage) and isinstance(error.message, str) and not _is_help(error):
            error.message = safe_text(error.message, MOST_SAID)
        raise


def _is_help(error: _WrongUsage) -> bool:
    """Whether it is what a group says that was given no command: that has lines, and quotes nothing."""
    ctx = getattr(error, "ctx", None)
    return ctx is not None and error.message == ctx.get_help()


def _who_has(option: str, commands: Mapping[str, Any]) -> str:
    """Which commands of a group have an option that the group has not."""
    found = [name for name, each in commands.items() if any(option in one.opts for one in each.params)]
    return f"; it goes behind one of {', '.join(found)}" if found else ""
