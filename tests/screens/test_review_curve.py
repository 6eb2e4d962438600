"""The light curve of the review screen, drawn in characters."""

import math
import re

import numpy as np
import pytest

from screens.lines import plain
from screens.review.curve import CurvePoint, curve_lines


class TestCurve:
    POINTS = (
        CurvePoint(60000, 20.5, is_limit=True),
        CurvePoint(60001, 19.0),
        CurvePoint(60002, 18.0, is_shown=True),
    )

    @pytest.mark.parametrize("rows", [1, 2, 3, 6, 7, 12])
    @pytest.mark.parametrize("plain_signs", [False, True])
    @pytest.mark.parametrize("magnitudes", [False, True])
    def test_it_fills_its_rows_and_no_more(self, rows, plain_signs, magnitudes):
        lines = curve_lines(
            self.POINTS, magnitudes=magnitudes, unit="mag", width=80, rows=rows, plain=plain_signs
        )
        assert len(lines) == rows
        assert all(len(plain(line)) <= 80 for line in lines)
        assert not plain_signs or all(plain(line).isascii() for line in lines)

    @pytest.mark.parametrize("rows", [3, 10])
    def test_bright_is_up_and_late_is_right(self, rows):
        lines = [
            plain(line)
            for line in curve_lines(
                self.POINTS, magnitudes=True, unit="mag", width=80, rows=rows, plain=False
            )
        ]
        chart = [line for line in lines if "detected" not in line and "MJD 6" not in line.split("◆")[0]]

        def place(sign):
            row = next(place for place, line in enumerate(chart) if sign in line)
            return row, chart[row].index(sign)

        limit, shown = place("▽"), place("◆")
        assert shown[0] < limit[0]
        assert shown[1] > limit[1]

    @pytest.mark.parametrize(("faintest", "step"), [(18.03, 0.01), (18.035, 0.0117), (19.5, 0.5)])
    def test_an_axis_says_even_steps_also_of_a_small_range(self, faintest, step):
        points = (CurvePoint(60000, 18.0), CurvePoint(60001, faintest))
        drawn = curve_lines(points, magnitudes=True, unit="mag", width=80, rows=12, plain=False)
        labels = [float(found[1]) for line in drawn if (found := re.match(r" *([\d.]+)[┤-]", plain(line)))]
        assert np.diff(labels) == pytest.approx([step] * 3, abs=0.0011)

    def test_an_axis_of_one_date_has_that_date_alone(self):
        points = (CurvePoint(59000.25, 18.0),)
        drawn = curve_lines(points, magnitudes=True, unit="mag", width=80, rows=9, plain=False)
        assert [plain(line).strip() for line in drawn if "0.2" in plain(line)] == ["0.250"]

    def test_limits_are_marked_and_named(self):
        text = "\n".join(
            plain(line)
            for line in curve_lines(self.POINTS, magnitudes=True, unit="mag ab", width=80, rows=2, plain=True)
        )
        assert "v limit, mag ab" in text

    @pytest.mark.parametrize("points", [(), (CurvePoint(math.nan, 1.0),), (CurvePoint(60000.0, math.inf),)])
    def test_nothing_to_show_is_said(self, points):
        lines = curve_lines(points, magnitudes=True, unit="mag", width=80, rows=2, plain=False)
        assert "no light curve" in plain(lines[0])

    def test_one_point_is_drawn(self):
        lines = curve_lines(
            (CurvePoint(60000, 18.0),), magnitudes=True, unit="mag", width=80, rows=2, plain=False
        )
        assert any("●" in plain(line) for line in lines)

    BANDS = (
        CurvePoint(60000, 20.5, is_limit=True, band="g", source="ztf"),
        CurvePoint(60001, 19.0, band="g", source="ztf"),
        CurvePoint(60001.5, 20.0, is_limit=True, band="r", source="ztf"),
        CurvePoint(60002, 18.0, is_shown=True, band="r", source="ztf"),
        CurvePoint(60003, 18.5, band="r", source="ztf"),
    )

    @pytest.mark.parametrize(("rows", "plain_signs"), [(2, True), (2, False), (4, False), (12, False)])
    def test_bands_are_told_apart_without_colour(self, rows, plain_signs):
        lines = curve_lines(
            self.BANDS, magnitudes=True, unit="mag ab", width=80, rows=rows, plain=plain_signs
        )
        text = "\n".join(plain(line) for line in lines)
        shown, own, other = "Xv," if plain_signs else "◆▽▿"
        assert "g r" in text
        assert f"{own} limit r, {other} others" in text or f"{own} 5σ upper limit r, {other} others" in text
        assert min(text.count(sign) for sign in ("g", "r", shown)) >= 1
        assert (text.count(own), text.count(other)) == (2, 2) or plain_signs  # the point and the legend

    MEASURED = (
        CurvePoint(60000.0, 20.0, error=0.1),
        CurvePoint(60001.0, 19.0, error=0.5, is_shown=True),
        CurvePoint(60002.0, 20.5, error=0.4, is_limit=True),
        CurvePoint(60003.0, 19.5, error=0.3),
    )

    @pytest.mark.parametrize("magnitudes", [True, False])
    def test_error_bars_are_two_sigma_long_and_limits_have_none(self, magnitudes):
        rows, value_rows = 40, 37  # a frame above and below, dates and legend
        lines = curve_lines(
            self.MEASURED, magnitudes=magnitudes, unit="mag", width=100, rows=rows, plain=False
        )
        text = [plain(line)[8:-2] for line in lines[1:value_rows]]
        range_of_rows = (20.5 - 18.5) * 1.1
        heights = []
        for point in self.MEASURED:
            share = 0.02 / 1.04 + (point.mjd - 60000.0) / 3.0 / 1.04
            column = round(share * (len(text[0]) - 1))
            near = [line[max(column - 2, 0) : column + 3].strip() for line in text]
            heights.append(sum(bool(cell) for cell in near))
        assert heights[2] == 1  # the limit's sign alone
        for point, height in zip(self.MEASURED, heights, strict=True):
            if not point.is_limit:
                assert height == pytest.approx(2 * point.error / range_of_rows * len(text), abs=1.6)
        assert "│ 1σ" in plain(lines[-1])
        assert all("1σ" not in plain(line) for line in self.drawn(self.POINTS, rows))

    def drawn(self, points, rows, *, plain_signs=False):
        return curve_lines(points, magnitudes=True, unit="mag", width=100, rows=rows, plain=plain_signs)

    def test_bars_are_drawn_in_ascii_too_and_stay_within_their_rows(self):
        wild = (
            *self.MEASURED,
            CurvePoint(60004.0, 19.2, error=1e9),
            CurvePoint(60005.0, 19.2, error=math.nan),
        )
        for rows in (2, 5, 12):
            lines = self.drawn(wild, rows, plain_signs=True)
            text = "\n".join(plain(line) for line in lines)
            assert text.isascii()
            assert len(lines) == rows
            assert "|" in text
        for number in re.findall(r"^ *([0-9.]+) ", text, re.MULTILINE):
            assert 18 <= float(number) <= 21  # one wild error does not flatten all others

    def test_what_fades_is_told_in_magnitudes(self):
        points = (*self.MEASURED, CurvePoint(60004.0, 19.2, error=0.1, fades=True))
        for rows, signs in ((2, "○"), (12, "○")):
            assert signs in "\n".join(plain(line) for line in self.drawn(points, rows))
        assert "○ fading" in plain(self.drawn(points, 12)[-1])

    def test_two_surveys_of_one_band_have_two_letters(self):
        others = (CurvePoint(60001.2, 19.5, band="r", source="atlas\x1b[31m"),)
        lines = curve_lines(self.BANDS + others, magnitudes=True, unit="mag", width=120, rows=4, plain=False)
        text = "\n".join(plain(line) for line in lines)
        assert "A ztf r" in text
        assert "r atlas␛[31m r"[:8] in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("unit", "value", "told"),
    [
        ("nJy", -3.876e5, "µJy"),
        ("nJy", 6.5e9, "mJy"),
        ("electron", 2.5e6, "1e3 electron"),
        ("nJy", 940.0, "nJy"),
    ],
)
def test_labels_of_large_fluxes_differ(unit: str, value: float, told: str) -> None:
    points = [CurvePoint(60000.0, value), CurvePoint(60001.0, value * 1.02)]
    for rows in (2, 8):
        lines = curve_lines(points, magnitudes=False, unit=unit, width=100, rows=rows, plain=False)
        text = "\n".join(plain(line) for line in lines)
        assert re.search(rf"[ ,]{told}\b", text)
        labels = [float(found) for found in re.findall(r"^ *(-?[0-9.]+)(?=[ ┤])", text, re.MULTILINE)]
        assert len(labels) >= 2
        assert len(set(labels)) == len(labels)
