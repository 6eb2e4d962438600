"""Times on the command line, as people write them."""

import pytest
import typer

from astrid_tui.cli.dates import mjd_from


@pytest.mark.parametrize(
    ("text", "mjd"),
    [
        ("61000.5", 61000.5),
        ("0", 0.0),
        ("2026-03-01", 61100.0),
        ("20260301", 61100.0),  # no MJD of twenty million
        ("2026-03-01T12:00", 61100.5),
        ("2026-03-01T13:00+01:00", 61100.5),
    ],
)
def test_a_time_is_an_mjd_or_a_date(text: str, mjd: float) -> None:
    assert mjd_from(text, "--since") == mjd


@pytest.mark.parametrize("text", ["2026-03-01", "20260301"])
def test_a_date_alone_can_mean_its_end(text: str) -> None:
    assert mjd_from(text, "--until", through=True) == 61101.0


@pytest.mark.parametrize("text", ["yesterday", "", "99999999", "9" * 400, "²", "2026-02-30"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        mjd_from(text, "--since")
