"""What an action is. The actions themselves are in the `actions` module of each screen."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """On which screen an action can be used; the value of a screen's is its name."""

    EVERYWHERE = "everywhere"
    COMMON = "common"  # on every screen that has something of the kind: a list, a filter
    INGEST = "ingest"
    PIPELINE = "pipeline"
    REVIEW = "review"
    MODELS = "models"
    POWER = "power"
    HEALTH = "health"
    VIEW_MENU = "view menu"


SCREENS = (Where.INGEST, Where.PIPELINE, Where.REVIEW, Where.MODELS, Where.POWER, Where.HEALTH)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the screen is in the middle of: all that decides whether an action makes sense.

    Attributes
    ----------
    is_open : bool
        The store.
    has_row : bool
        Something is under the cursor.
    state : str
        The state of what is under the cursor, as the store names it.
    marked : int
        How many rows are marked.
    """

    is_open: bool = False
    read_only: bool = False
    is_writing: bool = False
    has_row: bool = False
    state: str = ""
    marked: int = 0
    # Of the review screen:
    has_card: bool = False
    is_drawn: bool = False  # the card on the screen is the one that a verdict would fall on
    epochs: int = 0  # detections of the object that can be stepped through
    has_cutouts: bool = False
    has_colours: bool = True


Excuse = Callable[[Situation], str | None]

READ_ONLY = "the console is read-only"


def always(_: Situation) -> str | None:
    """Nothing speaks against it."""
    return None


def no_store(now: Situation) -> str | None:
    """It needs the store."""
    return None if now.is_open else "the store is not open"


def no_writing(now: Situation) -> str | None:
    """It writes to the store."""
    if now.read_only:
        return READ_ONLY
    return no_store(now) or ("the last change is still being written" if now.is_writing else None)


def no_row(now: Situation) -> str | None:
    """It is about the row under the cursor."""
    return no_store(now) or (None if now.has_row else "there is nothing under the cursor")


def no_change(now: Situation) -> str | None:
    """It changes the row under the cursor."""
    return no_writing(now) or no_row(now)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the user can do.

    Attributes
    ----------
    id : str
        What a screen handles, such as ``verdict:real``; unique, and what ``[keys]`` in the settings names.
    keys : tuple of str
        Textual's names of the keys.
    label : str
        One short word, for the footer.
    help : str
        What it does, for help and palette.
    group : str
        The heading it stands under in help.
    footer : int
        How much it deserves a place in the footer; 0 never has one.
    dangerous : bool
        Cannot be undone: a capital key, a typed confirmation, and absent in read-only mode.
    why_disabled : callable
        The reason why it cannot be used now, or none.
    asks : bool
        Asks for words, which are typed on at once by who knows the question.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    where: Where
    group: str
    footer: int = 0
    dangerous: bool = False
    why_disabled: Excuse = always
    asks: bool = False

    @property
    def writes(self) -> bool:
        """Whether it would change something, so that a read-only console always refuses it."""
        return self.why_disabled(Situation(is_open=True, read_only=True)) == READ_ONLY
