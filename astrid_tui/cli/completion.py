"""What a shell offers where an object, a candidate or a watched folder is to be named, or one of a few words.

A shell asks while somebody types, so nothing is ever said but words: without a store, or with one that
cannot be read now, there are none. What is offered is put into a command line as it is, and some shells
evaluate it: a name with any character that a shell could take for its own is not offered. The number of its
object is, and beside it the name without such characters.
"""

from __future__ import annotations

import glob
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.errors import AstridError
from core.vocabulary import LABELS

if TYPE_CHECKING:
    from core.database.store import Store

Words = list[tuple[str, str]]  # what may be written, and what it is

WAIT_S = 2  # for a server that does not answer; libpq waits no less
LONGEST = 80  # of a name
_SIGNS = frozenset("._+-/")  # besides letters and digits, what no shell gives a meaning within a word


def object_words(ctx: typer.Context, incomplete: str) -> Words:
    """Names of objects; where digits were typed, numbers of objects too."""
    from core.objects.beginnings import names_beginning, objects_beginning

    numbers = _found(ctx, incomplete, objects_beginning) if incomplete else []
    return numbers + _found(ctx, incomplete, names_beginning)


def object_numbers(ctx: typer.Context, incomplete: str) -> Words:
    """Numbers of objects."""
    from core.objects.beginnings import objects_beginning

    return _found(ctx, incomplete, objects_beginning)


def candidate_words(ctx: typer.Context, incomplete: str) -> Words:
    """Names of objects; where digits were typed, numbers of candidates too."""
    from core.objects.beginnings import candidates_beginning, names_beginning

    numbers = _found(ctx, incomplete, candidates_beginning) if incomplete else []
    return numbers + _found(ctx, incomplete, names_beginning)


def candidate_numbers(ctx: typer.Context, incomplete: str) -> Words:
    """Numbers of candidates."""
    from core.objects.beginnings import candidates_beginning

    return _found(ctx, incomplete, candidates_beginning)


def verdict_words(incomplete: str) -> Words:
    """Verdicts, with what they mean."""
    return [(label.value, facts.meaning) for label, facts in LABELS.items() if label.startswith(incomplete)]


def file_or_candidate(ctx: typer.Context, incomplete: str) -> Words:
    """Numbers of candidates where digits were typed and no file begins so; else the shell offers files."""
    if not incomplete.isdecimal() or any(Path.cwd().glob(f"{glob.escape(incomplete)}*")):
        return []
    return candidate_numbers(ctx, incomplete)


def place_words(ctx: typer.Context, incomplete: str) -> Words:
    """Names of objects, unless a coordinate was begun."""
    from core.objects.beginnings import names_beginning

    return _found(ctx, incomplete, names_beginning) if incomplete[:1].isalpha() or not incomplete else []


def forgettable_folders(ctx: typer.Context, incomplete: str) -> Words:
    """Folders of this machine that were watched and are not."""
    from core.frames.watched_folders import forgettable

    return _found(ctx, incomplete, forgettable)


def realbogus_versions(ctx: typer.Context, incomplete: str) -> Words:
    """Versions of the real-bogus network, and the one that AstrID came with."""
    from core.models.versions import versions

    def find(store: Store, begun: str) -> Words:
        found = [(str(each.number), each.origin) for each in versions(store, "realbogus")]
        return [(number, origin) for number, origin in found if number.startswith(begun)]

    own = [("shipped", "the one that AstrID came with")] if "shipped".startswith(incomplete) else []
    return own + _found(ctx, incomplete, find)


def reference_numbers(ctx: typer.Context, incomplete: str) -> Words:
    """Numbers of references, the newest first, each with how it was made."""
    from core.frames.references import newest_first

    def find(store: Store, begun: str) -> Words:
        return [(str(row.id), row.chosen) for row in newest_first(store) if str(row.id).startswith(begun)]

    return _found(ctx, incomplete, find)


def candidate_orders(incomplete: str) -> list[str]:
    """What a page of candidates can be ordered by, and with a minus before it, descending."""
    from core.review.candidates import ORDERS

    return [each for name in ORDERS for each in (name, f"-{name}") if each.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """The models that there are versions of."""
    from core.models.names import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def card_orders(incomplete: str) -> Words:
    """What the queue can be ordered by."""
    from core.review.waiting import ORDERS

    return [(name, order.first) for name, order in ORDERS.items() if name.startswith(incomplete)]


def export_formats(incomplete: str) -> list[str]:
    """What candidates can be exported as."""
    from core.review.export import FORMS

    return [name for name in FORMS.values() if name.startswith(incomplete)]


def _found(ctx: typer.Context, incomplete: str, find: Callable[[Store, str], Words]) -> Words:
    """What is found in the store of the settings in force, as far as it can be written."""
    from sqlalchemy.exc import SQLAlchemyError

    from core.database.store import open_store
    from core.settings import load

    config = ctx.find_root().params.get("config")
    try:
        url = _hasty(load(None if config is None else Path(config)).store_url)
        with closing(open_store(url, read_only=True)) as store:
            found = find(store, incomplete)
    except (AstridError, SQLAlchemyError, OSError):
        return []
    return [(word, _without_signs(what)) for word, what in found if _can_be_written(word)]


def _hasty(url: str) -> str:
    """The store's URL, so that a server that does not answer is not waited for as long as by a command."""
    from core.database.engine import parse_url

    place = parse_url(url)
    if place.get_backend_name() == "sqlite" or "connect_timeout" in place.query:
        return url
    return place.update_query_dict({"connect_timeout": str(WAIT_S)}).render_as_string(hide_password=False)


def _can_be_written(word: str) -> bool:
    begins_well = word[:1].isalnum() or word[:1] == "/"
    return begins_well and len(word) <= LONGEST and word == _without_signs(word) and " " not in word


def _without_signs(text: str) -> str:
    """A text as it can be shown by any shell: letters, digits and what has no meaning to it."""
    from core.text import safe_text

    shown = safe_text(text, LONGEST)
    return "".join(each if each.isalnum() or each in _SIGNS or each == " " else "?" for each in shown)
