"""What a card says of a streak, as far as its pixels are known on the sky and its exposure in time."""

import pytest

from core.line_words import line_of, line_words

STREAK = {"streak_length": 412.3, "streak_angle": 30.7}
NORTH_UP = ((-0.6, 0.0), (0.0, 0.6))


@pytest.mark.parametrize(
    ("features", "to_sky", "exposure_s", "said"),
    [
        (STREAK, None, 60.0, "streak of 412 px at 31°"),
        (STREAK, NORTH_UP, None, "streak of 247″, PA 121°"),
        (STREAK, NORTH_UP, 0.0, "streak of 247″, PA 121°"),
        (STREAK, NORTH_UP, 60.0, "streak of 247″, PA 121°, 4.1″/s"),
        (STREAK, NORTH_UP, 0.1, "streak of 247″, PA 121°, 2474″/s"),
        ({"streak_length": 100.0, "streak_angle": 90.0}, NORTH_UP, None, "streak of 60″, PA 0°"),
        ({"streak_length": 90.0}, NORTH_UP, 60.0, "streak of 90 px"),
        ({"row_count": 6.0}, NORTH_UP, 60.0, "one of 6 in a row: flashes?"),
        ({"fwhm": 3.0, "streak_length": None}, NORTH_UP, 60.0, None),
    ],
)
def test_what_is_said(features, to_sky, exposure_s, said):
    assert line_words(features, to_sky, exposure_s) == said
    assert (line_of(features) is None) == (said is None)
