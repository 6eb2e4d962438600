"""A distortion as IRAF writes it, in a text that is cut into cards, is that of its polynomials."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pipeline.files.celestial import celestial_wcs

CUBIC = 2.5  # per square degree
CENTRE, SIDE, PIXEL_DEG = (150.0, 20.0), 500, 1.0 / 3600.0
CORNERS = np.array([[0.0, 0.0], [SIDE - 1.0, 0.0], [30.0, SIDE - 1.0], [250.0, 250.0]])


def header(kind: str = "TAN") -> fits.Header:
    made = fits.Header()
    for axis, (name, sign) in enumerate((("RA---", -1.0), ("DEC--", 1.0)), start=1):
        made[f"CTYPE{axis}"], made[f"CRVAL{axis}"] = f"{name}{kind}", CENTRE[axis - 1]
        made[f"CRPIX{axis}"], made[f"CD{axis}_{axis}"] = (SIDE + 1) / 2.0, sign * PIXEL_DEG
    return made


def distorted(kind: str, small: float, others: str = "") -> fits.Header:
    """x + CUBIC x (x^2 + y^2) and likewise y, all other coefficients `small`; cards as IRAF cuts them."""
    made = header(kind)
    terms = {"lng": [small] * 10, "lat": [small] * 10}  # 1 x xx xxx, y xy xxy, yy xyy, yyy
    for name, places in (("lng", (3, 8)), ("lat", (6, 9))):
        for place in places:
            terms[name][place] = CUBIC
    for axis, (name, word) in enumerate((("lng", "ra"), ("lat", "dec")), start=1):
        numbers = " ".join(repr(term) for term in terms[name])
        text = f"wtype={kind.lower()} axtype={word} {others}"
        text += f'{name}cor = "3. 4. 4. 2. -0.15 0.15 -0.15 0.15 {numbers} "'
        for number, start in enumerate(range(0, len(text), 68), start=1):
            card = f"WAT{axis}_{number:03d}= '{text[start : start + 68]:<68}'"
            made.append(fits.Card.fromstring(card))
    return made


def read(made: fits.Header) -> tuple[WCS | None, str | None]:
    return celestial_wcs(fits.HDUList([fits.PrimaryHDU(np.zeros((SIDE, SIDE), np.float32), made)]), 0)


@pytest.mark.parametrize("small", [0.0, 1e-12])
@pytest.mark.parametrize("blanks", range(12))
@pytest.mark.parametrize(
    ("kind", "others"), [("TNX", ""), ("ZPX", "projp1=1. "), ("ZPX", "projp0=0. projp1=1. projp2=0. ")]
)
def test_the_distortion_is_that_of_its_polynomials(kind, others, blanks, small):
    wcs, said = read(distorted(kind, small, others + " " * blanks))
    assert said is None
    assert wcs is not None
    x, y = ((CORNERS + 1.0 - (SIDE + 1) / 2.0) * (-PIXEL_DEG, PIXEL_DEG)).T
    grown = 1.0 + CUBIC * (x**2 + y**2)
    if kind == "ZPX":  # the polynomial's own place is as far from the centre as the angle, not its tangent
        radius = np.hypot(x, y) * grown
        grown = grown * np.degrees(np.tan(np.radians(radius))) / np.where(radius == 0, 1.0, radius)
    plain = WCS(header())
    bent = np.column_stack([x * grown / -PIXEL_DEG, y * grown / PIXEL_DEG]) + (SIDE + 1) / 2.0 - 1.0
    wanted = plain.wcs_pix2world(bent, 0)
    assert np.abs(np.asarray(wcs.all_pix2world(CORNERS, 0)) - wanted).max() * 3600.0 < 1e-3


def test_a_polynomial_that_holds_no_numbers_is_no_wcs():
    made = distorted("TNX", 0.0)
    made["WAT1_001"] = 'wtype=tnx axtype=ra lngcor = "3. 4. four 2. "'
    with pytest.raises(ValueError, match="four"):
        read(made)


@pytest.mark.parametrize(
    "numbers",
    [
        f"3. 2. 2. 2. -0.15 0.15 -0.15 0.15 {'1.5 ' * 400}",  # wcslib would write beyond its memory
        f"3. 1e300 4. 2. -0.15 0.15 -0.15 0.15 {'0. ' * 10}",
        f"3. 4. 4. 2. -0.15 0.15 -0.15 0.15 {'0. ' * 9}",
        f"7. 4. 4. 2. -0.15 0.15 -0.15 0.15 {'0. ' * 10}",
        f"3. 4. 4. 5. -0.15 0.15 -0.15 0.15 {'0. ' * 10}",
        f"3. 4. 4. 2. 0. 0. -0.15 0.15 {'0. ' * 10}",
        f"3. 4. 4. 2. -0.15 0.15 -0.15 nan {'0. ' * 10}",
        "3. 4.",
    ],
)
def test_a_polynomial_whose_numbers_are_not_those_of_its_orders_is_no_wcs(numbers):
    made = distorted("TNX", 0.0)
    made["WAT1_001"] = f'wtype=tnx axtype=ra lngcor = "{numbers}"'
    with pytest.raises(ValueError, match="a polynomial of its WAT cards"):
        read(made)


@pytest.mark.parametrize(("cross", "count"), [("0.", 7), ("1.", 16), ("2.", 10)])
def test_mixed_terms_are_none_or_all_or_half(cross, count):
    made = distorted("TNX", 0.0)
    for axis, name in ((1, "lng"), (2, "lat")):
        for word in [word for word in made if word.startswith(f"WAT{axis}")]:
            del made[word]
        text = f'wtype=tnx {name}cor = "3. 4. 4. {cross} -0.15 0.15 -0.15 0.15 {"0. " * count}"'
        made[f"WAT{axis}_001"], made[f"WAT{axis}_002"] = text[:68], text[68:]
    wcs, said = read(made)
    assert said is None
    assert wcs is not None
    assert np.allclose(wcs.all_pix2world(CORNERS, 0), WCS(header()).wcs_pix2world(CORNERS, 0), atol=1e-9)


def test_cards_that_stand_there_twice_count_once():
    made = distorted("TNX", 0.0)
    wanted = read(made)[0]
    for card in [card for card in made.cards if card.keyword.startswith("WAT1")]:
        made.append(fits.Card(card.keyword, card.value))
    found = read(made)[0]
    assert wanted is not None
    assert found is not None
    assert (found.all_pix2world(CORNERS, 0) == wanted.all_pix2world(CORNERS, 0)).all()
