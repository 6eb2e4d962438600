"""Candidates keep what is known at their places, from their commit on and after a catalogue was added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Candidate, CandidateMatch
from core.objects.known import known_sky
from core.settings import Settings
from core.settings_sections import StoreSettings
from pipeline.engines.matching import match_stored
from pipeline.known.candidates import with_known
from pipeline.known.match import KnownSky
from pipeline.known.reference_sources import answers as reference_answers
from pipeline.known.reference_sources import enclosed
from tests.core.frames import DEC, RA, add_frames, add_reference, candidate, done, process
from tests.pipeline.catalogs import added, gaia, scattered, write_csv
from tests.pipeline.pairs import make_pair, true_stars
from tests.pipeline.synthetic import star_frame


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_construct(home=tmp_path / "home", store=StoreSettings())


def catalogue(settings: Settings, folder: Path, name: str = "gaia", mag: float = 15.0) -> None:
    ra, dec = scattered(200, (RA, DEC), 0.003, seed=4)
    columns = gaia(np.append(ra, RA), np.append(dec, DEC), phot_g_mean_mag=np.full(201, mag))
    added(KnownSky.of(settings).library, write_csv(folder / f"{name}.csv", **columns))


def test_what_is_known_is_committed_with_the_frame_and_again_with_it(store: Store) -> None:
    reference = add_reference(store)
    add_frames(store, 1, 2)
    told = {"star": {"status": "match", "name": "A", "mag": float("nan")}, "galaxy": {"status": "none"}}
    first = process(
        store, done(reference.id, candidate(known=told), candidate(80.0), known_state="one")
    ).candidate_ids
    known = known_sky(store, first)
    assert set(known) == {first[0]}
    assert known[first[0]]["star"] == {"status": "match", "name": "A", "mag": None}
    assert known[first[0]]["at"] > 1e9
    process(store, replace(done(reference.id, candidate()), known_state=None))  # nobody was asked
    with store.read() as session:
        assert len(session.exec(select(CandidateMatch)).all()) == 1


def test_stored_candidates_are_matched_when_the_catalogues_changed_and_only_then(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    reference = add_reference(store)
    add_frames(store, 1)
    ids = process(store, done(reference.id, candidate(), candidate(90.0))).candidate_ids
    assert match_stored(store, settings) == (2, 0)
    assert known_sky(store, ids)[ids[0]]["star"]["status"] == "unknown"
    assert match_stored(store, settings) == (0, 0)
    catalogue(settings, tmp_path)
    assert match_stored(store, settings, limit=1) == (1, 1)  # as if interrupted
    assert match_stored(store, settings) == (1, 0)
    star = known_sky(store, ids)[ids[0]]["star"]
    assert (star["status"], star["distance_arcsec"], star["mag"]) == ("match", 0.0, 15.0)
    KnownSky.of(settings).library.remove("gaia")
    assert match_stored(store, settings) == (2, 0)
    assert known_sky(store, ids)[ids[0]]["star"]["status"] == "unknown"


def test_candidates_that_left_the_queue_and_those_without_a_place_are_no_trouble(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    reference = add_reference(store)
    add_frames(store, 1)
    ids = process(store, done(reference.id, candidate(), candidate(90.0, on_sky=False))).candidate_ids
    with store.write() as session:
        row = session.exec(select(Candidate).where(col(Candidate.id) == ids[0])).one()
        row.is_current = False
    catalogue(settings, tmp_path)
    assert match_stored(store, settings) == (1, 0)
    known = known_sky(store, ids)
    assert set(known) == {ids[1]}
    assert known[ids[1]]["star"]["reason"] == "its position on the sky is not known"
    # The file of this reference is nowhere.
    assert known[ids[1]]["reference"] == {"status": "unknown", "reason": "its reference image cannot be read"}


def test_the_reference_image_is_always_known(settings: Settings) -> None:
    _, reference, _, truth = make_pair((256, 256))
    star = int(np.argmax(truth.flux[(truth.x > 30) & (truth.x < 220) & (truth.y > 30) & (truth.y < 220)]))
    inside = np.flatnonzero((truth.x > 30) & (truth.x < 220) & (truth.y > 30) & (truth.y < 220))[star]
    near = candidate(truth.x[inside] + 1.0, truth.y[inside], on_sky=False)
    reference = replace(reference, zeropoint=25.0, stars=true_stars(reference.frame, truth))
    (told,) = with_known([near], reference, 60000.0, KnownSky.of(settings))
    found = told.known["reference"]
    assert (found["status"], found["catalog"]) == ("match", "reference image")
    assert found["distance_px"] == pytest.approx(1.0, abs=0.01)
    assert found["distance_arcsec"] is None  # it has no WCS
    assert told.known["star"]["status"] == "unknown"


def test_a_reference_source_has_the_magnitude_of_all_its_light() -> None:
    """The aperture of a star holds a part of its light; the PSF says which."""
    from pipeline.stellar.psf import estimate_psf
    from pipeline.stellar.stars import find_stars

    frame, truth = star_frame((300, 300), 5, n_stars=25, flux_range=(5e4, 2e5))
    stars = find_stars(frame)
    psf = estimate_psf(frame, stars, 0)
    bright = np.argsort(-truth.flux)
    bright = [i for i in bright if 40 < truth.x[i] < 260 and 40 < truth.y[i] < 260][:5]
    found = reference_answers(
        truth.x[bright], truth.y[bright], stars, psf,
        scale_arcsec=0.5, within_arcsec=2.0, zeropoint=25.0, flux_scale=2.0, epoch=2026.0, band="r",
    )  # fmt: skip
    expected = 25.0 - 2.5 * np.log10(truth.flux[bright] / 2.0)
    assert [each["mag"] for each in found] == pytest.approx(expected.tolist(), abs=0.03)
    far = reference_answers(
        np.array([-500.0]), np.array([0.0]), stars, psf,
        scale_arcsec=0.5, within_arcsec=2.0, zeropoint=None, flux_scale=1.0, epoch=None, band=None,
    )  # fmt: skip
    assert far[0]["status"] == "none"
    assert far[0]["sources"] == len(stars)


def test_the_light_within_a_radius() -> None:
    y, x = np.mgrid[-25:26, -25:26]
    stamp = np.exp(-(x**2 + y**2) / (2 * 2.0**2)).astype(np.float32)
    stamp /= stamp.sum()
    spread = 2.0**2 + 1 / 12  # a pixel is as bright all over as in its middle
    assert enclosed(stamp, 4.0) == pytest.approx(1.0 - np.exp(-(4.0**2) / (2 * spread)), abs=0.002)
    assert enclosed(stamp, 1000.0) == pytest.approx(1.0, abs=1e-3)
