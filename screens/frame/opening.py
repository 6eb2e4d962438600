"""All that a console needs beside its first frame; it is made in a thread once that is out."""

from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings, SettingsError, find_file
from screens.actions import KeyClash, Registry
from screens.frame.memory import Memory
from screens.frame.opened import Opened
from screens.frame.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Opening:
    """The store and settings, the keys in force, what is remembered, and the pulse of the store."""

    opened: Opened
    registry: Registry
    memory: Memory
    pulse: Pulse


def open_up(settings_path: Path | None, *, read_only: bool) -> Opening:
    """Make it.

    Raises
    ------
    AstridError
        Settings, keys or store cannot be used.
    """
    opened = Opened.open(settings_path, read_only=read_only)
    registry = registry_of(opened.settings, settings_path)
    memory = Memory()
    if opened.settings.console.resume:
        memory = Memory.read(opened.settings.home, opened.reviewer)
    return Opening(opened, registry, memory, Pulse(opened.store, opened.settings.review))


def registry_of(settings: Settings, settings_path: Path | None) -> Registry:
    """The actions with the keys that the settings give them.

    Raises
    ------
    SettingsError
        The keys cannot be given so.
    """
    try:
        return Registry().with_keys(settings.keys)
    except KeyClash as error:
        place = find_file(settings_path) or "the environment"
        raise SettingsError(f"configuration table 'keys' in {place}: {error}") from error
