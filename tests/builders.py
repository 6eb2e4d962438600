"""A store as a night leaves it: objects with detections, cutouts, limits and frames."""

from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from core.database import migrations
from core.database.migrations import upgrade
from core.database.store import HEAD, Store, open_store
from core.database.tables import Candidate, Cutout, Difference, ForcedFlux, Observation, Reference, SkyObject
from core.review.cutouts import Cutouts, pack

_numbers = count(1)


def cutouts(seed: int = 0, peak: float = 6.0, galaxy: float = 0.0, side: int = 63) -> Cutouts:
    """A new source of some peak in sigma on a sky of unit noise, a galaxy beside it if wanted."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    middle = side // 2

    def blob(height: float, x: float, y: float, sigma: float) -> np.ndarray:
        return height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))

    static = blob(galaxy, middle - 5, middle + 3, 6) + blob(80, random.integers(0, side), 9, 1.7)
    change = blob(peak, middle, middle, 1.7)
    new = static + change + random.normal(size=static.shape)
    ref = static + random.normal(size=static.shape)
    diff = change + random.normal(size=static.shape)
    return Cutouts(*(plane.astype(np.float32) for plane in (new, ref, diff)), sigma=(9.0, 8.0, 12.0))


@cache
def empty_store() -> bytes:
    """The file of a store without rows: to write it is quicker than to run the migrations for every test."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "astrid.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def stores_copied(patch: pytest.MonkeyPatch) -> None:
    """Let a store that a command makes in a new file be a copy of the empty one."""

    def copied(url: str, version: str = "head") -> tuple[str | None, str | None]:
        path = Path(url.removeprefix("sqlite:///"))
        if not url.startswith("sqlite:///") or path.exists() or not path.parent.is_dir():
            return upgrade(url, version)
        path.write_bytes(empty_store())
        return None, HEAD

    patch.setattr(migrations, "upgrade", copied)


def make_store(folder: Path) -> tuple[Store, str]:
    """An empty store in a folder, and its URL."""
    path = folder / "astrid.db"
    path.write_bytes(empty_store())
    url = f"sqlite:///{path}"
    return open_store(url), url


@cache
def _night_file() -> tuple[bytes, tuple[int, ...]]:
    with TemporaryDirectory() as folder:
        store, _ = make_store(Path(folder))
        ids = add_night(store)
        store.close()  # which writes all of it into the one file
        return (Path(folder) / "astrid.db").read_bytes(), tuple(ids)


def make_night(folder: Path) -> tuple[Store, str, list[int]]:
    """The store of `make_store` and `add_night` in a folder, its URL and the objects: a copy."""
    content, ids = _night_file()
    path = folder / "astrid.db"
    path.write_bytes(content)
    url = f"sqlite:///{path}"
    return open_store(url), url, list(ids)


def add_night(store: Store, objects: int = 5, epochs: int = 3, **names: str) -> list[int]:
    """Objects that await a verdict, the first with the highest score.

    ``names`` replace what comes from outside: ``object``, ``frame``, ``filter``, ``field``.
    """
    number = next(_numbers)
    with store.write() as db:
        reference = Reference(
            content=f"r{number}", path="ref.fits", width=512, height=512, has_wcs=True, chosen="added",
            created_at=1.0,
        )  # fmt: skip
        db.add(reference)
        db.flush()
        differences = [_add_difference(db, reference.id, number, epoch, names) for epoch in range(epochs)]
        return [_add_object(db, number, place, differences, names) for place in range(objects)]


def _add_difference(db, reference_id: int, number: int, epoch: int, names: dict[str, str]) -> Difference:
    observation = Observation(
        content=f"o{number}.{epoch}", frame=names.get("frame", f"m31-{number:02d}{epoch:02d}.fits"),
        path=f"night/m31-{epoch}.fits", field=names.get("field", "M31"), filter=names.get("filter", "r"),
        mjd=60999.1 + epoch, created_at=1.0, state="done", seeing_px=3.4, seeing_arcsec=1.9, exposure_s=120.0,
        has_wcs=True,
    )  # fmt: skip
    db.add(observation)
    db.flush()
    difference = Difference(
        observation_id=observation.id, reference_id=reference_id, method="zogy", config_hash="cafe",
        flux_unit="electron", mag_system="ab", zeropoint=27.0, created_at=1.0, score_std=1.01,
        registration_rms_px=0.07, gain_ratio=0.98, fwhm_new_px=3.4, fwhm_ref_px=2.9, masked_fraction=0.01,
        m50=20.4, limit_mag=20.9,
    )  # fmt: skip
    db.add(difference)
    db.flush()
    return difference


def _add_object(db, number: int, place: int, differences: list[Difference], names: dict[str, str]) -> int:
    ra, dec = 10.6847 + place * 0.01, 41.2688 - place * 0.004
    name = names.get("object", f"AID26{number:02d}{chr(97 + place % 26)}{place:03d}")
    row = SkyObject(
        name=name if place == 0 or "object" not in names else f"{name} {place}",
        ra=ra, dec=dec, zone=int((dec + 90) * 120), first_mjd=60999.1, n_candidates=0,
    )  # fmt: skip
    db.add(row)
    db.flush()
    seen = differences[-max(1, len(differences) - 1) :] if place % 2 else differences[-1:]
    for difference in differences:
        epoch = differences.index(difference)
        flux = 900.0 + 250 * epoch - 20 * place
        if difference in seen:
            _add_candidate(db, row, difference, epoch, place, flux, names)
        else:
            db.add(
                ForcedFlux(
                    difference_id=difference.id, sky_object_id=row.id, mjd=60999.1 + epoch, filter="r",
                    flux=40.0, flux_err=60.0, flux_unit="electron", zeropoint=27.0, mag_system="ab",
                )
            )  # fmt: skip
    return row.id


def _add_candidate(
    db, row: SkyObject, difference: Difference, epoch: int, place: int, flux: float, names: dict[str, str]
) -> None:
    snr = flux / 60
    candidate = Candidate(
        external_id=f"{difference.id}.{place}", observation_id=difference.observation_id,
        difference_id=difference.id, sky_object_id=row.id, frame=names.get("frame", f"m31-{epoch}.fits"),
        filter=names.get("filter", "r"), mjd=60999.1 + epoch, x=100.0 + place, y=200.0, x_frame=103.2,
        y_frame=198.7, ra=row.ra, dec=row.dec, zone=row.zone, snr=snr, flux=flux, flux_err=60.0,
        flux_unit="electron", mag=27 - 2.5 * np.log10(flux), mag_err=0.06, mag_system="ab", score=snr,
        position_error_px=0.1, features={"fwhm_ratio": 1.04, "elongation": 1.1, "negative_fraction": 0.02},
        mask_flags=2 if place % 3 == 2 else 0,
    )  # fmt: skip
    db.add(candidate)
    db.flush()
    db.add(Cutout(candidate_id=candidate.id, pixels=pack(cutouts(place, snr / 3, galaxy=12.0 * (place % 2)))))
    row.n_candidates += 1
    row.last_mjd = candidate.mjd
    if row.best_score is None or snr > row.best_score:
        row.best_score, row.best_candidate_id, row.best_mag = snr, candidate.id, candidate.mag
