"""Times as they are given to commands."""

import pytest
import typer

from astrid_tui.cli.dates import mjd_from


@pytest.mark.parametrize(
    ("text", "mjd"),
    [
        ("61000.5", 61000.5),
        ("2026-03-01", 61100.0),
        ("20260301", 61100.0),
        ("2026-03-01T12:00:00", 61100.5),
        ("2026-03-01T12:00:00+02:00", 61100.0 + 10 / 24),
    ],
)
def test_a_time_is_an_mjd_or_a_date_with_or_without_dashes(text, mjd):
    assert mjd_from(text, "--from") == pytest.approx(mjd)


@pytest.mark.parametrize("text", ["2026-03-01", "20260301"])
def test_through_a_day_is_through_its_end(text):
    assert mjd_from(text, "--to", through=True) == 61101.0


@pytest.mark.parametrize("text", ["yesterday", "20261301", "9" * 40, "٣"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(typer.BadParameter, match="write an MJD such as"):
        mjd_from(text, "--from")
