"""The polynomials of IRAF's TNX and ZPX projections, written so that wcslib reads them.

IRAF keeps them as one text, cut into cards of 68 letters (``WAT1_001``, ...). Wcslib 8 ends the text where a
card ends in a blank, and where a coefficient is 0 it takes all that follow for 0 as well: the first leaves no
WCS, the second one without its distortion, and nothing is said.
"""

from __future__ import annotations

import re

from astropy.io import fits

from pipeline.files.cards import look_up

CARD = 68  # letters of a text that a card holds
CONTROL = 8  # numbers before the coefficients: kind, orders, cross terms, and the range of either axis
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
        words = sorted(word for word in header if re.fullmatch(rf"WAT{axis}_\d\d\d", word))
        text = "".join(str(header[word]).ljust(CARD) for word in words)
        found = _POLYNOMIAL.search(text)
        if found is None:
            continue
        for word in words:
            del told[word]
        others = [f"{name}={value}" for name, value in _OTHER.findall(text[: found.start()])]
        numbers = found[2].split()
        control = [str(int(float(each))) for each in numbers[:4]] + numbers[4:CONTROL]
        terms = [f"{float(each) or NEXT_TO_ZERO:.16e}" for each in numbers[CONTROL:]]
        whole = _spread([*others, f'{found[1].lower()}cor="{control[0]}', *control[1:], *terms, '"'])
        for number, start in enumerate(range(0, len(whole), CARD), start=1):
            told[f"WAT{axis}_{number:03d}"] = whole[start : start + CARD]
    return told


def _spread(parts: list[str]) -> str:
    """Parts with a blank between each two, none of which is the last letter of a card."""
    whole = ""
    for part in parts:
        if (len(whole) + len(part)) % CARD == CARD - 1:
            part = _NUMBER.sub(r"\g<0>0", part)  # noqa: PLW2901
        whole += f"{part} "
    return whole.rstrip()
