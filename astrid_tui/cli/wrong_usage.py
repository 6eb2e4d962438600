"""What is wrong with a command line, in words of somebody who types it."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from core.settings_words import without_prefix


@runtime_checkable
class _NoSuchOption(Protocol):
    """What Typer's parser raises; its class is not public."""

    option_name: str
    message: str
    ctx: Any


class PlainWords(TyperGroup):
    """Commands that say what is wrong with a word, and behind which of them an option goes."""

    def invoke(self, ctx: Any) -> Any:
        """Run one of them."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = without_prefix(error.message)
            raise
        except Exception as error:
            if isinstance(error, _NoSuchOption) and isinstance(error.ctx.command, TyperGroup):
                error.message += _who_has(error.option_name, error.ctx.command.commands)
            raise


def _who_has(option: str, commands: Mapping[str, Any]) -> str:
    """Which commands of a group have an option that the group has not."""
    found = [name for name, each in commands.items() if any(option in one.opts for one in each.params)]
    return f"; it goes behind one of {', '.join(found)}" if found else ""
