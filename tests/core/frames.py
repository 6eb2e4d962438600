"""Frames, references and outcomes for tests of the store: small, and the same each time."""

from dataclasses import replace
from typing import Any

from core.database.store import Store
from core.database.tables import Reference
from core.frames import observations, queue, references
from core.frames.commit import CommitResult, commit_frame
from core.frames.outcome import (
    CandidateFacts,
    DifferenceFacts,
    FrameOutcome,
    ObservationFacts,
    ReferenceFacts,
)
from core.frames.queue import Lease

RA, DEC = 150.0, 2.0
PIXEL_SCALE = 1.0  # arcsec
MATCH_RADIUS_PX = 2.0


def frame_facts(number: int = 1, **changes: Any) -> ObservationFacts:
    facts = ObservationFacts(
        content=f"{number:064x}",
        extension=0,
        frame=f"n{number}.fits",
        path=f"/data/n{number}.fits",
        filter="r",
        field="M 31",
        mjd=60000.0 + number,
        width=100,
        height=100,
        has_wcs=True,
        ra=RA,
        dec=DEC,
        radius_deg=0.02,
    )
    return replace(facts, **changes)


def reference_facts(number: int = 1, **changes: Any) -> ReferenceFacts:
    facts = ReferenceFacts(
        content=f"{number:064x}",
        path=f"/data/ref{number}.fits",
        width=100,
        height=100,
        has_wcs=True,
        chosen="added from a file",
        filter="r",
        field="M 31",
        ra=RA,
        dec=DEC,
        radius_deg=0.02,
    )
    return replace(facts, **changes)


def candidate(x: float = 50.0, y: float = 50.0, *, on_sky: bool = True, **changes: Any) -> CandidateFacts:
    """A detection at a pixel; one pixel is one arcsec, x towards the east."""
    facts = CandidateFacts(
        x=x,
        y=y,
        x_frame=x + 3,
        y_frame=y - 3,
        snr=9.0,
        flux=900.0,
        flux_err=100.0,
        position_error_px=0.1,
        ra=RA + (x - 50.0) * PIXEL_SCALE / 3600.0 if on_sky else None,
        dec=DEC + (y - 50.0) * PIXEL_SCALE / 3600.0 if on_sky else None,
        score=9.0,
        scores={"significance": 9.0},
        features={"fwhm": 2.5},
        cutouts=b"pixels",
    )
    return replace(facts, **changes)


def difference_facts(reference_id: int, **changes: Any) -> DifferenceFacts:
    facts = DifferenceFacts(
        reference_id=reference_id,
        method="zogy",
        config_hash="abc",
        flux_unit="electron",
        score_std=1.0,
        registration_rms_px=0.05,
        gain_ratio=1.0,
        fwhm_new_px=3.0,
        fwhm_ref_px=2.5,
        masked_fraction=0.0,
    )
    return replace(facts, **changes)


def done(reference_id: int, *candidates: CandidateFacts, **changes: Any) -> FrameOutcome:
    outcome = FrameOutcome(
        state="done",
        difference=difference_facts(reference_id),
        candidates=candidates,
        match_radius_px=MATCH_RADIUS_PX,
        pixel_scale=PIXEL_SCALE,
    )
    return replace(outcome, **changes)


def add_reference(store: Store, number: int = 1, **changes: Any) -> Reference:
    return references.add(store, reference_facts(number, **changes))


def add_frames(store: Store, *numbers: int, **changes: Any) -> list[int]:
    made = observations.register(store, [frame_facts(number, **changes) for number in numbers])
    return [one.id for one in made]


def claimed(store: Store, lease_s: float = 60.0, owner: str = "run-1/0") -> Lease:
    lease = queue.claim(store, owner, lease_s)
    assert lease is not None
    return lease


def process(store: Store, outcome: FrameOutcome) -> CommitResult:
    """Claim the next frame and commit an outcome for it."""
    return commit_frame(store, claimed(store), outcome, attempts=3, retry_s=0.0)
