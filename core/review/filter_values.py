"""Values of filters as people have them at hand, in the numbers that are compared: places and times."""

from dataclasses import replace

from core.coordinates import CoordinateError, parse_position
from core.dates import parsed_mjd
from core.review.filter_words import Word


def in_numbers(word: Word) -> Word:
    """A term with its sexagesimal place in degrees, or its date as an MJD; any other term as it is.

    What is neither is left for the reader of the term to refuse.
    """
    if word.key == "near":
        return _place(word)
    if word.key == "mjd" and "-" in word.value[1:]:
        try:
            return replace(word, value=repr(parsed_mjd(word.value)))
        except (ValueError, OverflowError):
            return word
    return word


def _place(word: Word) -> Word:
    ra, dec, *radius = [*word.value.split(","), ""]
    if ":" not in ra + dec and not ra.strip().endswith("s"):
        return word
    try:
        degrees = parse_position(ra, dec)
    except CoordinateError:
        return word
    return replace(word, value=",".join((*map(repr, degrees), *radius[:-1])))
