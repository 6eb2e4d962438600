"""A finding chart shows the field as the sky is, and says how to get to the target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from PIL import Image
from sqlalchemy import delete, update
from sqlmodel import select

from core.catalogs.coverage import Coverage
from core.catalogs.library import Library
from core.database.store import Store
from core.database.tables import Candidate, Cutout
from core.objects.chart_images import ChartCutout, ChartImage, ChartTarget, chart_target
from core.objects.detail import ObjectError
from core.review.cards import read_card
from core.review.cutouts import Cutouts, pack
from core.settings import Settings
from pipeline.charts.chart import SIDE_PX, ChartError, make_chart, offset, tangent_plane
from pipeline.charts.chart_file import sexagesimal, stars_on, text_lines, write
from pipeline.reference.reference_file import ReferenceImage
from pipeline.reference.reference_file import write as write_reference
from tests.builders import add_night
from tests.pipeline.catalogs import added, write_csv
from tests.pipeline.synthetic import star_frame

CENTRE = (359.998, 72.0)  # across RA 0, and far from the equator
SCALE = 0.7
SHAPE = (420, 380)
SIZE = 120.0  # arcsec
MJD = 61000.0


def wcs(turn_deg: float = 35.0, *, mirrored: bool = False) -> WCS:
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    made.wcs.crval, made.wcs.crpix = list(CENTRE), [SHAPE[1] / 2, SHAPE[0] / 2]
    cosine, sine = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    flip = 1.0 if mirrored else -1.0
    made.wcs.cd = np.array([[flip * cosine, sine], [flip * -sine, cosine]]) * SCALE / 3600.0
    return made


@pytest.fixture(params=[False, True], ids=["plain", "mirrored"])
def field(request: pytest.FixtureRequest, tmp_path: Path):
    """A reference in a file, turned and perhaps mirrored; its stars on the sky, and one of them as target."""
    frame, truth = star_frame(SHAPE, 8, n_stars=25, flux_range=(2e4, 2e5), wcs=wcs(mirrored=request.param))
    path = tmp_path / "reference.fits"
    write_reference(ReferenceImage(frame, ("one",), "electron"), path)
    ra, dec = frame.wcs.all_pix2world(truth.x, truth.y, 0)
    middle = int(np.argmin(np.hypot(truth.x - SHAPE[1] / 2, truth.y - SHAPE[0] / 2)))
    image = ChartImage(str(path), "reference 1", "r", MJD, is_reference=True)
    target = ChartTarget(1, "AID test", float(ra[middle]), float(dec[middle]), None, None, image, None)
    return target, image, ra % 360.0, dec, truth.flux


def settings_in(folder: Path) -> Settings:
    return Settings.model_construct(home=folder / "home")


def test_the_chart_is_north_up_and_east_left_with_the_target_in_its_middle(field, tmp_path: Path) -> None:
    target, image, ra, dec, _ = field
    made = make_chart(target, [image], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
    assert made.pixels.shape == (SIDE_PX, SIDE_PX)
    assert made.size_arcsec == pytest.approx(SIZE)
    plane = tangent_plane(target.ra, target.dec, SIZE / SIDE_PX)
    x, y = plane.all_world2pix(np.column_stack([ra, dec]), 0).T
    inside = np.flatnonzero((np.abs(x - SIDE_PX / 2) < 220) & (np.abs(y - SIDE_PX / 2) < 220))
    assert len(inside) > 3
    level = np.nanpercentile(made.pixels, 99.0)
    for i in inside:
        around = made.pixels[round(y[i]) - 2 : round(y[i]) + 3, round(x[i]) - 2 : round(x[i]) + 3]
        assert np.nanmax(around) > 0.5 * level
    middle = made.pixels[SIDE_PX // 2 - 3 : SIDE_PX // 2 + 3, SIDE_PX // 2 - 3 : SIDE_PX // 2 + 3]
    assert np.nanmax(middle) > level
    for star in made.stars:  # the image's own stars, where no catalogue is
        assert star.source == "the image"
        assert (
            np.nanmax(
                made.pixels[round(star.y) - 2 : round(star.y) + 3, round(star.x) - 2 : round(star.x) + 3]
            )
            > level
        )


def test_offset_stars_of_a_catalogue_lead_to_the_target(field, tmp_path: Path) -> None:
    target, image, ra, dec, flux = field
    settings = settings_in(tmp_path)
    mag = 22.0 - 2.5 * np.log10(flux / 1e4)
    added(
        Library(settings.home),
        write_csv(tmp_path / "stars.csv", name=[f"S{i}" for i in range(len(ra))], ra=ra, dec=dec, rmag=mag),
        kind="stars",
    )
    made = make_chart(target, [image], settings, size_arcsec=SIZE, mjd=MJD, n_stars=4)
    assert [star.letter for star in made.stars] == list("ABCD")[: len(made.stars)]
    assert len(made.stars) >= 2
    goal = SkyCoord(target.ra, target.dec, unit="deg")
    for star in made.stars:
        assert star.source == "stars"
        here = SkyCoord(star.ra, star.dec, unit="deg")
        assert np.hypot(star.east, star.north) == pytest.approx(here.separation(goal).arcsec, abs=0.01)
        east, north = here.spherical_offsets_to(goal)
        assert star.east == pytest.approx(east.arcsec, abs=0.1)
        assert star.north == pytest.approx(north.arcsec, abs=0.1)
        assert np.hypot(star.east, star.north) > 10.0
        index = int(star.name.removeprefix("S"))
        assert star.mag == pytest.approx(mag[index], abs=1e-3)
    words = text_lines(made)
    assert any("from A go" in line and "arcsec" in line for line in words)


def test_a_bright_star_at_the_target_takes_no_offset_star_s_place(field, tmp_path: Path) -> None:
    target, image, *_ = field
    settings = settings_in(tmp_path)
    north = np.array([0.0, 2.0, 20.0, -25.0]) / 3600.0
    columns = {"ra": np.full(4, target.ra), "dec": target.dec + north, "rmag": [10.0, 11.0, 15.0, 16.0]}
    added(Library(settings.home), write_csv(tmp_path / "stars.csv", **columns), kind="stars")
    made = make_chart(target, [image], settings, size_arcsec=SIZE, mjd=MJD, n_stars=2)
    assert [star.letter for star in made.stars] == ["A", "B"]
    assert [star.north for star in made.stars] == pytest.approx([-20.0, 25.0], abs=0.01)
    assert make_chart(target, [image], settings, size_arcsec=SIZE, mjd=MJD, n_stars=0).stars == ()


def test_an_offset_is_the_way_from_the_first_to_the_second() -> None:
    assert offset(10.0, 0.0, 10.0 + 1 / 3600, 0.0) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert offset(10.0, 20.0, 10.0, 20.0 - 5 / 3600) == pytest.approx((0.0, -5.0), abs=1e-6)
    east, north = offset(359.9999, 60.0, 0.0001, 60.0)
    assert east == pytest.approx(0.36, abs=1e-3)
    assert abs(north) < 1e-3
    over = offset(0.0, 89.999, 180.0, 89.999)
    assert over == pytest.approx((0.0, 7.2), abs=1e-4)
    assert offset(0.0, 0.0, 180.0, 0.0) == (np.inf, np.inf)


def test_positions_are_written_as_telescopes_take_them() -> None:
    assert sexagesimal(187.70593, 12.39112) == "12:30:49.42 +12:23:28.0"
    assert sexagesimal(359.9999999, -0.5) == "00:00:00.00 -00:30:00.0"
    assert sexagesimal(0.0, 89.99999999) == "00:00:00.00 +90:00:00.0"


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_pictures_are_written_whole(field, tmp_path: Path, ending: str) -> None:
    target, image, *_ = field
    hostile = replace(target, name="AID \x1b[31m\n name")
    made = make_chart(hostile, [image], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
    path = tmp_path / f"chart.{ending}"
    write(made, path)
    assert not path.with_name(f"{path.name}.part").exists()
    if ending == "pdf":
        assert path.read_bytes().startswith(b"%PDF-")
        return
    with Image.open(path) as picture:
        drawn = np.asarray(picture.convert("RGB")).astype(int)
    red = (drawn[..., 0] > 180) & (drawn[..., 1] < 40)
    assert red.any()
    assert (drawn == 255).all(axis=2).mean() > 0.05


def test_what_cannot_be_drawn_is_told_in_one_sentence(field, tmp_path: Path) -> None:
    target, image, *_ = field
    settings = settings_in(tmp_path)
    gone = replace(image, path=str(tmp_path / "gone.fits"))
    with pytest.raises(ChartError, match="cannot be read"):
        make_chart(target, [gone], settings, size_arcsec=SIZE, mjd=MJD)
    with pytest.raises(ChartError, match="no image of it is here"):
        make_chart(target, [], settings, size_arcsec=SIZE, mjd=MJD)
    away = replace(target, ra=10.0, dec=-20.0)
    with pytest.raises(ChartError, match="does not show its place"):
        make_chart(away, [image], settings, size_arcsec=SIZE, mjd=MJD)
    # The first that shows it is taken.
    assert make_chart(target, [gone, image], settings, size_arcsec=SIZE, mjd=MJD).image == image
    made = make_chart(target, [image], settings, size_arcsec=SIZE, mjd=MJD)
    with pytest.raises(ChartError, match=r"\.png or \.pdf"):
        write(made, tmp_path / "chart.gif")


def test_without_a_wcs_the_chart_is_in_pixels(tmp_path: Path) -> None:
    frame, truth = star_frame(SHAPE, 8, n_stars=25, flux_range=(2e4, 2e5))
    path = tmp_path / "reference.fits"
    write_reference(ReferenceImage(frame, ("one",), "electron"), path)
    image = ChartImage(str(path), "reference 1", None, MJD, is_reference=True)
    target = ChartTarget(1, "AID R1", None, None, 190.0, 210.0, image, None)
    made = make_chart(target, [image], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
    assert (made.scale, made.size_arcsec) == (None, None)
    star = made.stars[0]
    nearest = np.hypot(truth.x - (190.0 - star.east), truth.y - (210.0 - star.north)).min()
    assert nearest < 0.2
    assert "px right" in text_lines(made)[1] or "px left" in text_lines(made)[1]
    write(made, tmp_path / "chart.png")


def test_letters_stand_in_the_cells_of_their_stars(field, tmp_path: Path) -> None:
    target, image, *_ = field
    made = make_chart(target, [image], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
    for (row, column, letter), star in zip(stars_on(made, 20, 40), made.stars, strict=True):
        assert letter == star.letter
        assert column == int((star.x + 0.5) / SIDE_PX * 40)
        assert row == 19 - int((star.y + 0.5) / SIDE_PX * 20)


def test_an_object_is_found_by_id_and_by_name_with_its_images(sqlite_store: Store) -> None:
    key = add_night(sqlite_store, objects=1, epochs=2)[0]
    target = chart_target(sqlite_store, str(key))
    assert target == chart_target(sqlite_store, target.name)
    assert target.reference.is_reference
    assert target.newest.mjd == 61000.1
    for what in ("999", "no such name", "9" * 40, "\x1b[31m"):
        with pytest.raises(ObjectError) as told:
            chart_target(sqlite_store, what)
        assert "\x1b" not in str(told.value)


def alert_target(**facts) -> ChartTarget:
    return ChartTarget(1, "ZTF20test", *CENTRE, None, None, None, None, **facts)


def field_of_stars(folder: Path, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    east, north = random.uniform(-55.0, 55.0, (2, 12))
    mag = np.sort(random.uniform(12.0, 18.0, 12))
    dec = CENTRE[1] + north / 3600.0
    ra = (CENTRE[0] + east / 3600.0 / np.cos(np.radians(dec))) % 360.0
    path = write_csv(folder / "stars.csv", source_id=np.arange(12), ra=ra, dec=dec, phot_g_mean_mag=mag)
    added(Library(settings.home), path, kind="stars", coverage=Coverage("all-sky"))
    return ra, dec, mag


def test_an_alert_without_an_image_is_drawn_from_the_star_catalogue(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    ra, dec, mag = field_of_stars(tmp_path, settings)
    made = make_chart(alert_target(), [], settings, size_arcsec=SIZE, mjd=MJD)
    assert (made.drawn_from, made.size_arcsec) == ("catalog", SIZE)
    assert "drawn from the stars of stars, no image; 2 arcmin, north up" in text_lines(made)[1]
    assert len(made.stars) == 3
    columns, rows = tangent_plane(*CENTRE, made.scale).all_world2pix(ra, dec, 0)
    shown = [
        made.pixels[round(y), round(x)]
        for x, y in zip(columns, rows, strict=True)
        if min(x, y) > 5 and max(x, y) < SIDE_PX - 5
    ]
    assert len(shown) > 5
    assert np.min(shown) > 0.9
    sizes = [
        made.pixels[round(y), max(round(x) - 20, 0) : round(x) + 21].sum()
        for x, y in zip(columns[[0, -1]], rows[[0, -1]], strict=True)
    ]
    assert mag[0] < mag[-1]
    assert sizes[0] > sizes[1]  # the brighter the larger
    for star in made.stars:
        near_by = np.argmin(np.hypot(columns - star.x, rows - star.y))
        assert np.hypot(columns[near_by] - star.x, rows[near_by] - star.y) < 0.5
    write(made, tmp_path / "chart.png")
    write(made, tmp_path / "chart.pdf")


def test_an_alert_where_no_catalogue_is_shows_its_cutout_and_says_what_is_not_known(tmp_path: Path) -> None:
    plane = np.random.default_rng(0).normal(0.0, 1.0, (41, 63)).astype(np.float32)
    empty = np.full_like(plane, np.nan)
    cutout = ChartCutout(
        "cutout of ztf candidate 7", "r", MJD, pack(Cutouts(plane, plane, plane)), "It is damaged."
    )
    made = make_chart(alert_target(cutout=cutout), [], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
    assert (made.drawn_from, made.scale, made.stars) == ("cutout", None, ())
    assert made.pixels.shape == (63, 63)
    assert "cutout of ztf candidate 7, 63 px, north unknown" in text_lines(made)[1]
    write(made, tmp_path / "chart.png")
    for pixels, why in (
        (b"AC", r"`astrid catalog add`\)\. It is damaged\."),
        (pack(Cutouts(empty, empty, empty)), "are empty"),
    ):
        broken = replace(cutout, pixels=pixels)
        with pytest.raises(ChartError, match=why):
            make_chart(alert_target(cutout=broken), [], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
    with pytest.raises(ChartError, match=r"no star catalogue .* no cutout of it is kept"):
        make_chart(alert_target(), [], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)


def test_the_newest_cutout_of_an_object_is_found(sqlite_store: Store) -> None:
    key = add_night(sqlite_store, objects=1, epochs=2)[0]
    assert chart_target(sqlite_store, str(key)).cutout.mjd == 61000.1


def test_why_there_is_no_cutout_is_told_as_on_the_card(sqlite_store: Store, tmp_path: Path) -> None:
    """Damaged, and removed as a newer processing superseded it."""
    key = add_night(sqlite_store, objects=1, epochs=1)[0]

    def told() -> tuple[str, str | None]:
        target = chart_target(sqlite_store, str(key))
        with pytest.raises(ChartError) as refused:
            make_chart(target, [], settings_in(tmp_path), size_arcsec=SIZE, mjd=MJD)
        with sqlite_store.read() as db:
            (candidate,) = db.exec(select(Candidate.id)).all()
        return str(refused.value), read_card(sqlite_store, key, candidate).cutouts_problem

    with sqlite_store.write() as db:
        db.exec(update(Cutout).values(pixels=b"AC"))
    chart, card = told()
    assert card.startswith("The store's copy of the images is damaged: ")
    assert chart.endswith(f". {card}")
    with sqlite_store.write() as db:
        db.exec(delete(Cutout))
        db.exec(update(Candidate).values(is_current=False))
    chart, card = told()
    assert card.startswith("The images were removed as superseded: ")
    assert chart.endswith(f"and no cutout of it is kept. {card}")
