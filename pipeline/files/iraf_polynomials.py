"""The polynomials of IRAF's TNX and ZPX projections, written so that wcslib reads them.

IRAF keeps them as one text, cut into cards of 68 letters (``WAT1_001``, ...). Wcslib 8 ends the text where a
card ends in a blank, and where a coefficient is 0 it takes all that follow for 0 as well: the first leaves no
WCS, the second one without its distortion, and nothing is said. And it writes beyond its memory where there
are other numbers than the orders call for.
"""

from __future__ import annotations

import math
import re

from astropy.io import fits

from pipeline.files.cards import look_up

CARD = 68  # letters of a text that a card holds
CONTROL = 8  # numbers before the coefficients: kind, orders, cross terms, and the range of either axis
KINDS = (1, 2, 3)  # Chebyshev, Legendre, and powers
MOST_TERMS = 20  # of either axis
NEXT_TO_ZERO = 1e-99
_POLYNOMIAL = re.compile(r'(lng|lat)cor\s*=\s*"([^"]*)"', re.IGNORECASE)
_NUMBER = re.compile(r'(?:^|(?<=[="]))[-+]?(?=[.\d])')  # where one begins
_OTHER = re.compile(r'(\w+)\s*=\s*([^\s"=]+)')


def with_iraf_polynomials(header: fits.Header) -> fits.Header:
    """A header whose TNX or ZPX polynomials wcslib reads as they are meant; any other as it is.

    Raises
    ------
    ValueError
        A polynomial is none.
    """
    kinds = {str(look_up(header, (f"CTYPE{axis}",)) or "").strip().upper()[-4:] for axis in (1, 2)}
    if len(kinds) != 1 or not kinds <= {"-TNX", "-ZPX"}:
        return header
    told = header.copy()
    for axis in (1, 2):
        words = sorted({word for word in header if re.fullmatch(rf"WAT{axis}_\d\d\d", word)})
        text = "".join(str(header[word]).ljust(CARD) for word in words)
        found = _POLYNOMIAL.search(text)
        if found is None:
            continue
        for word in words:
            told.remove(word, remove_all=True)
        around = f"{text[: found.start()]} {text[found.end() :]}"
        others = [f"{name}={value}" for name, value in _OTHER.findall(around)]
        numbers = _checked([float(each) for each in found[2].split()])
        control = [str(int(each)) for each in numbers[:4]] + [repr(each) for each in numbers[4:CONTROL]]
        terms = [f"{each or NEXT_TO_ZERO:.16e}" for each in numbers[CONTROL:]]
        whole = _spread([*others, f'{found[1].lower()}cor="{control[0]}', *control[1:], *terms, '"'])
        for number, start in enumerate(range(0, len(whole), CARD), start=1):
            told[f"WAT{axis}_{number:03d}"] = whole[start : start + CARD]
    return told


def _checked(numbers: list[float]) -> list[float]:
    """The numbers of a polynomial, if it is one.

    Raises
    ------
    ValueError
    """
    if len(numbers) < CONTROL or not all(map(math.isfinite, numbers)):
        raise ValueError("a polynomial of its WAT cards has no numbers, or too few")
    kind, x, y, cross, *ends = numbers[:CONTROL]
    if kind not in KINDS or {x % 1, y % 1} != {0.0} or not 1 <= min(x, y) <= max(x, y) <= MOST_TERMS:
        raise ValueError(f"a polynomial of its WAT cards is of no kind or order that there is: {numbers[:4]}")
    # Without mixed terms, with all, and with those of no higher degree than the higher order.
    half = sum(min(x, max(x, y) - power) for power in range(int(y)))
    terms = {0.0: x + y - 1, 1.0: x * y, 2.0: half}.get(cross)
    if terms != len(numbers) - CONTROL:
        raise ValueError(
            f"a polynomial of its WAT cards has {len(numbers) - CONTROL} coefficients, not as its orders say"
        )
    if not (ends[0] < ends[1] and ends[2] < ends[3]):
        raise ValueError("a polynomial of its WAT cards has no range")
    return numbers


def _spread(parts: list[str]) -> str:
    """Parts with a blank between each two, none of which is the last letter of a card."""
    whole = ""
    for part in parts:
        if (len(whole) + len(part)) % CARD == CARD - 1:
            part = _NUMBER.sub(r"\g<0>0", part)  # noqa: PLW2901
        whole += f"{part} "
    return whole.rstrip()
