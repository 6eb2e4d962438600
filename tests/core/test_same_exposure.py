"""One exposure is registered once, packed or with another header, and a chip is never its neighbour."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation
from core.frames.content import content_hash
from core.frames.observations import Registered, register
from core.frames.outcome import FrameOutcome, ObservationFacts
from core.frames.queue_history import history
from core.frames.same_exposure import pixels_hash
from core.vocabulary import FrameKind, ObservationState
from tests.core.frames import add_reference, claimed, done, frame_facts, process

PIXELS = "ab" * 32


def rows(store: Store) -> list[Observation]:
    with store.read() as session:
        return list(session.exec(select(Observation).order_by(Observation.id)).all())


def written(path: Path, content: bytes, **changes: Any) -> ObservationFacts:
    """A file of one exposure, and what ingest tells of it."""
    path.write_bytes(content)
    facts = frame_facts(path=str(path), content=content_hash(path), frame=path.name, pixels=PIXELS)
    return replace(facts, **changes)


def told(store: Store, *facts: ObservationFacts) -> list[tuple[int, str, str | None, bool]]:
    return [_told(each) for each in register(store, list(facts))]


def _told(one: Registered) -> tuple[int, str, str | None, bool]:
    return one.id, one.state, one.reason, one.new


def test_a_packed_copy_repeats_the_exposure_by_name(store: Store, tmp_path: Path) -> None:
    plain = written(tmp_path / "x.fits", b"plain")
    packed = written(tmp_path / "x.fits.fz", b"packed", extension=1)
    reason = "the same exposure as x.fits, which is registered already"
    assert told(store, plain, packed) == [(1, "queued", None, True), (1, "rejected", reason, False)]
    process(store, done(add_reference(store).id or 0))
    assert told(store, packed) == [(1, "rejected", reason, False)]
    assert [(row.path, row.extension, row.state) for row in rows(store)] == [(plain.path, 0, "done")]


def test_a_frame_of_an_earlier_version_is_known_by_its_pixels_once_it_is_ingested_again(
    store: Store, tmp_path: Path
) -> None:
    plain = written(tmp_path / "x.fits", b"plain")
    register(store, [replace(plain, pixels=None)])
    process(store, done(add_reference(store).id or 0))
    packed = written(tmp_path / "x.fits.gz", b"packed")
    reason = "the same exposure as x.fits, which is registered already"
    assert told(store, plain, packed) == [(1, "done", None, False), (1, "rejected", reason, False)]


def test_a_packed_copy_that_remains_alone_is_the_frame(store: Store, tmp_path: Path) -> None:
    plain = written(tmp_path / "x.fits", b"plain")
    register(store, [plain])
    Path(plain.path).unlink()
    packed = written(tmp_path / "x.fits.fz", b"packed", extension=1)
    assert told(store, packed) == [(1, "queued", None, False)]
    assert told(store, packed) == [(1, "queued", None, False)]
    (row,) = rows(store)
    assert (row.path, row.frame, row.content, row.extension) == (packed.path, "x.fits.fz", packed.content, 1)


def test_a_header_that_was_mended_in_place_is_processed_again(store: Store, tmp_path: Path) -> None:
    register(store, [written(tmp_path / "x.fits", b"wrong filter", filter="g")])
    process(store, done(add_reference(store).id or 0))
    mended = written(tmp_path / "x.fits", b"filter r")
    assert told(store, mended) == [(1, "queued", None, True)]
    (row,) = rows(store)
    assert (row.filter, row.content, row.attempts, row.finished_at) == ("r", mended.content, 0, None)
    assert "its file has another header now" in [each.reason for each in history(store, 1)]
    assert claimed(store).observation_id == 1


@pytest.mark.parametrize(
    ("before", "is_another"),
    [
        ((("gain", 14.0),), True),
        ((("gain", 1.4),), False),
        ((), True),
        (None, False),
    ],  # not kept: an old store
)
def test_a_gain_that_was_mended_in_place_is_another_header(
    store: Store, tmp_path, before, is_another
) -> None:
    register(store, [written(tmp_path / "x.fits", b"wrong gain", readout=before or ())])
    process(store, done(add_reference(store).id or 0))
    if before is None:
        with store.write() as session:
            session.get_one(Observation, 1).readout = None
    ((_, state, _, is_new),) = told(store, written(tmp_path / "x.fits", b"gain", readout=(("gain", 1.4),)))
    assert (state, is_new) == (("queued", True) if is_another else ("done", False))


def test_what_else_was_mended_in_place_is_told_with_what_processes_it_anew(store: Store, tmp_path) -> None:
    """As a read noise or a saturation, which the store does not keep; in another place it is no news."""
    register(store, [written(tmp_path / "x.fits", b"read noise of 60")])
    process(store, done(add_reference(store).id or 0))
    reason = (
        "its file was written anew, with the same pixels: `astrid queue retry 1` processes it by its header "
        "of now"
    )
    assert told(store, written(tmp_path / "x.fits", b"read noise of 6")) == [(1, "done", reason, False)]
    assert told(store, written(tmp_path / "x.fits", b"read noise of 6")) == [(1, "done", None, False)]
    Path(tmp_path / "x.fits").unlink()
    assert told(store, written(tmp_path / "x.fits.fz", b"packed")) == [(1, "done", None, False)]


def test_what_failed_as_its_file_was_mended_is_tried_at_once_after_ingest(store: Store, tmp_path) -> None:
    register(store, [written(tmp_path / "x.fits", b"before")])
    process(store, FrameOutcome("failed", "its file holds other content"))
    assert rows(store)[0].not_before > 0.0
    assert told(store, written(tmp_path / "x.fits", b"mended")) == [(1, "queued", None, False)]
    (row,) = rows(store)
    assert (row.not_before, row.reason, row.attempts) == (0.0, None, 0)
    doubtful = written(tmp_path / "x.fits", b"mended again", reason="its header has no exposure time")
    assert told(store, doubtful) == [(1, "queued", doubtful.reason, False)]


def test_a_mended_copy_beside_it_says_how_it_is_used(store: Store, tmp_path: Path) -> None:
    register(store, [written(tmp_path / "x.fits", b"wrong filter", filter="g")])
    ((_, state, reason, _),) = told(store, written(tmp_path / "y.fits", b"filter r"))
    assert (state, reason) == (
        "rejected",
        "the same exposure as x.fits, which is registered already with another header: "
        "put this file in its place to use this one",
    )
    assert [row.filter for row in rows(store)] == ["g"]


def test_one_that_was_refused_bars_no_mended_copy(store: Store, tmp_path: Path) -> None:
    register(store, [written(tmp_path / "x.fits", b"no WCS", has_wcs=False)])
    process(store, FrameOutcome("rejected", "no stars match"))
    assert told(store, written(tmp_path / "solved.fits", b"WCS")) == [(2, "queued", None, True)]


def test_chips_and_other_times_and_unknown_pixels_are_exposures_of_their_own(
    store: Store, tmp_path: Path
) -> None:
    one = written(tmp_path / "a.fits", b"two chips", extension=1)
    later = written(tmp_path / "b.fits", b"later", mjd=one.mjd + 2 / 86400)
    silent = [written(tmp_path / f"{n}.fits", b"%d" % n, pixels=None) for n in range(2)]
    made = told(store, one, replace(one, extension=2), later, *silent)
    assert [(state, new) for _, state, _, new in made] == [("queued", True)] * 5


def test_each_chip_of_a_packed_copy_repeats_its_own(store: Store, tmp_path: Path) -> None:
    """They are alike to the last pixel, as those of a simulation can be."""
    plain = written(tmp_path / "x.fits", b"plain", extension=1)
    register(store, [plain, replace(plain, extension=2)])
    Path(plain.path).unlink()
    packed = written(tmp_path / "x.fits.gz", b"packed", extension=1)
    both = told(store, packed, replace(packed, extension=2))
    assert both == [(1, "queued", None, False), (2, "queued", None, False)]
    assert [(row.extension, row.path) for row in rows(store)] == [(1, packed.path), (2, packed.path)]


def flat(path: Path, content: bytes, **changes: Any) -> ObservationFacts:
    facts = written(path, content, kind=FrameKind.FLAT, state=ObservationState.CALIBRATION, field="dome")
    return replace(facts, readout=(("gain", 1.5),), **changes)


@pytest.mark.parametrize("mjd", [60001.0, None])
def test_a_packed_copy_of_a_calibration_frame_does_not_count_again(
    store: Store, tmp_path: Path, mjd: float | None
) -> None:
    plain = flat(tmp_path / "f.fits", b"plain", mjd=mjd)
    packed = flat(tmp_path / "f.fits.fz", b"packed", mjd=mjd, extension=1)
    renamed = replace(flat(tmp_path / "g.fits", b"renamed", mjd=mjd), field="Dome flats")
    reason = (
        "the same exposure as f.fits, which is registered already: put this file in its place to use this one"
    )
    refused = (1, "rejected", reason, False)
    assert told(store, plain, packed, renamed) == [(1, "calibration", None, True), refused, refused]
    Path(plain.path).unlink()
    assert told(store, packed) == [(1, "calibration", None, False)]
    assert [(row.path, row.extension, row.state) for row in rows(store)] == [(packed.path, 1, "calibration")]


def test_a_calibration_frame_that_serves_others_is_another(store: Store, tmp_path: Path) -> None:
    """A flat of one filter that is to serve a second as well, a bias of a camera that has a new name."""
    one = flat(tmp_path / "f.fits", b"r")
    others = [
        flat(tmp_path / "g.fits", b"g", filter="g"),
        flat(tmp_path / "c.fits", b"camera", instrument="cam2"),
        replace(flat(tmp_path / "h.fits", b"gain"), readout=(("gain", 2.0),)),
        flat(tmp_path / "l.fits", b"later", mjd=(one.mjd or 0.0) + 2 / 86400),
        flat(tmp_path / "u.fits", b"no time", mjd=None),
    ]
    assert [(state, new) for _, state, _, new in told(store, one, *others)] == [("calibration", True)] * 6


def test_a_calibration_frame_whose_header_was_mended_in_place_is_the_same(
    store: Store, tmp_path: Path
) -> None:
    """What TRIMSEC says is not kept: the content alone tells that masters are to be made anew."""
    register(store, [flat(tmp_path / "f.fits", b"wrong TRIMSEC")])
    mended = flat(tmp_path / "f.fits", b"TRIMSEC")
    assert told(store, mended) == [(1, "calibration", None, False)]
    assert [row.content for row in rows(store)] == [mended.content]


def test_another_exposure_in_its_place_is_a_frame_of_its_own(store: Store, tmp_path: Path) -> None:
    register(store, [written(tmp_path / "x.fits", b"night 1")])
    assert told(store, written(tmp_path / "x.fits", b"night 2", pixels="cd" * 32)) == [
        (2, "queued", None, True)
    ]
    assert [row.state for row in rows(store)] == ["dropped", "queued"]


def test_pixels_tell_sides_and_values_but_not_the_machine() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert pixels_hash(image) == pixels_hash(image.astype(">f4")) == pixels_hash(image.T.copy().T)
    others = (image.reshape(4, 3), image[::-1], image + np.float32(0.5))
    assert len({pixels_hash(each) for each in (image, *others)}) == 4
    assert pixels_hash(np.full((3, 4), 500.0, np.float32)) is None  # as any other of that value
