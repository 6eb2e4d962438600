"""Places and candidates as they are given to commands: in numbers, or by an object's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from core.database.keys import key_in
from core.text import safe_text

if TYPE_CHECKING:
    from core.database.store import Store
    from core.places.place_facts import Place


def candidate_given(store: Store, what: str) -> int:
    """The id of a candidate that is given by it, or by the name of its object: the newest of that.

    Raises
    ------
    typer.BadParameter
        It is a number that no id can be.
    ObjectError
        No object is called so.
    """
    from core.objects.detail import newest_candidate

    if what.isdecimal() and what.isascii():
        key = key_in(what)
        if key is None:
            raise typer.BadParameter(f"{safe_text(what, 40)} is out of range")
        return key
    return newest_candidate(store, what)


def place_given(store: Store, ra: str, dec: str | None) -> Place:
    """The place of a position or of an object.

    Parameters
    ----------
    ra, dec : str
        Two coordinates; without `dec` both in one word, or an object's name. A name of two words, as AstrID
        gives them, may be given as two.

    Raises
    ------
    CoordinateError
        It is no position, and no object is called so.
    """
    from core.coordinates import CoordinateError, parse_position
    from core.objects.detail import ObjectError, read_object
    from core.places.place_facts import Place
    from core.places.why import place_on_grid

    try:
        return Place(*parse_position(ra, dec))
    except CoordinateError as refused:
        name = ra if dec is None else f"{ra} {dec}"
        if not any(character.isalpha() for character in name):
            raise
        reason = str(refused)
    try:
        row = read_object(store, name).object
    except ObjectError:
        raise CoordinateError(f"{reason}; and no object is called so") from None
    if row.ra is not None and row.dec is not None:
        return Place(row.ra, row.dec)
    return place_on_grid(store, row.reference_id or 0, row.x or 0.0, row.y or 0.0)
