"""What moves is linked, what is of chance is not, and how often it would be is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.settings_sections import TrackletSettings
from pipeline.linking import Detections, Track, link

SETTINGS = TrackletSettings()
ERROR, MAG_ERROR = 0.2, 0.08
START = 60000.2
GAP_HOURS = 0.5


def night(
    seed: int,
    movers: int = 0,
    bogus: int = 60,
    frames: int = 4,
    size_deg: float = 0.5,
    centre: tuple[float, float] = (359.95, 30.0),
    rates: tuple[float, float] = (8.0, 120.0),
) -> tuple[Detections, list[tuple[int, ...]]]:
    """Frames of one field, half an hour apart: bodies in straight motion among detections of chance."""
    random = np.random.default_rng(seed)
    rows: list[tuple[float, ...]] = []
    truth = []
    half = size_deg * 1800.0
    for _ in range(movers):
        x, y = random.uniform(-0.8 * half, 0.8 * half, 2)
        rate, angle, mag = random.uniform(*rates), random.uniform(0.0, 2 * np.pi), random.uniform(18.0, 20.0)
        truth.append(tuple(range(len(rows), len(rows) + frames)))
        for frame in range(frames):
            gone = rate * frame * GAP_HOURS
            shift = gone * np.sin(angle), gone * np.cos(angle)
            noise = random.normal(0.0, ERROR, 2)
            rows.append(
                (x + shift[0] + noise[0], y + shift[1] + noise[1], frame, mag + random.normal(0, MAG_ERROR))
            )
    for frame in range(frames):
        for _ in range(bogus):
            x, y = random.uniform(-half, half, 2)
            rows.append((x, y, frame, random.uniform(17.5, 20.5)))
    x, y, frame, mag = np.array(rows).T
    dec = centre[1] + y / 3600.0
    found = Detections(
        ra=(centre[0] + x / 3600.0 / np.cos(np.radians(dec))) % 360.0,
        dec=dec,
        mjd=START + frame * GAP_HOURS / 24.0,
        frame=frame.astype(np.int64),
        field=np.full(len(x), size_deg / 2.0),
        error=np.full(len(x), ERROR),
        mag=mag,
        mag_err=np.full(len(x), MAG_ERROR),
        band=np.zeros(len(x), dtype=np.int64),
        system=np.zeros(len(x), dtype=np.int64),
    )
    return found, truth


def members(tracks: list[Track]) -> set[tuple[int, ...]]:
    return {track.members for track in tracks}


@pytest.mark.parametrize("frames", [3, 4])
def test_bodies_in_motion_are_found_across_ra_0(frames: int) -> None:
    hits, total = 0, 0
    for seed in range(6):
        found, truth = night(seed, movers=5, frames=frames)
        hits += len(members(link(found, SETTINGS)) & set(truth))
        total += len(truth)
    assert hits >= 0.9 * total


def test_a_field_that_is_wider_than_was_told_is_one_field() -> None:
    """A survey's alerts tell nothing of its field: ZTF's is seven degrees wide."""
    found, truth = night(1, movers=12, bogus=250, size_deg=7.0, centre=(359.0, 10.0))
    told = members(link(replace(found, field=np.full(len(found), 0.5)), SETTINGS))
    assert told == members(link(found, SETTINGS))
    assert len(told & set(truth)) >= 11


def test_the_chips_of_a_mosaic_are_one_exposure() -> None:
    """A body that two exposures in five have missed is paired beyond the chips of the next."""
    found, truth = night(2, movers=12, bogus=120, frames=5, size_deg=1.5, centre=(120.0, 0.0))
    is_missed = np.zeros(len(found), dtype=bool)
    for each in truth:
        is_missed[[each[1], each[3]]] = True
    found = found.take(np.flatnonzero(~is_missed))
    column, row = (np.clip((side + 0.75) / 1.5 * 6, 0, 5) for side in (found.ra - 120.0, found.dec))
    chip = row.astype(np.int64) * 6 + column.astype(np.int64)
    mosaic = replace(found, frame=found.frame * 36 + chip, field=np.full(len(found), 0.18))
    told = members(link(mosaic, SETTINGS))
    assert len(told & members(link(found, SETTINGS))) >= 11


def test_chance_makes_few_tracklets_where_nothing_moves() -> None:
    """At most a share of what is told is false: one empty night in twenty tells something."""
    nights = [link(night(100 + seed, bogus=60, frames=3)[0], SETTINGS) for seed in range(40)]
    assert sum(bool(tracks) for tracks in nights) <= 6


def test_rate_angle_and_scatter_are_those_of_the_motion() -> None:
    random = np.random.default_rng(3)
    hours = np.arange(5) * 0.4
    rate, angle = 37.0, np.radians(115.0)
    east, north = rate * hours * np.sin(angle), rate * hours * np.cos(angle)
    dec = 60.0 + (north + random.normal(0, ERROR, 5)) / 3600.0
    ra = (359.999 + (east + random.normal(0, ERROR, 5)) / 3600.0 / np.cos(np.radians(60.0))) % 360.0
    found = Detections(
        ra, dec, START + hours / 24.0, np.arange(5), np.full(5, 0.3), np.full(5, ERROR), np.full(5, 19.0),
        np.full(5, 0.1), np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64),
    )  # fmt: skip
    (track,) = link(found, SETTINGS)
    assert track.members == (0, 1, 2, 3, 4)
    assert track.rate_arcsec_hour == pytest.approx(rate, abs=0.5)
    assert track.position_angle == pytest.approx(115.0, abs=1.0)
    assert 0.3 * ERROR < track.rms_arcsec < 2.5 * ERROR  # by ten numbers less four
    assert track.chance < 1e-6
    assert track.ra == pytest.approx((359.999 + np.mean(east) / 1800.0) % 360.0, abs=2e-4)


def few(hours, arcsec, mags, bands=None, crowd: int = 12, systems=None) -> Detections:
    """Detections on a line of declination among a sparse crowd that is of another brightness."""
    random = np.random.default_rng(1)
    frames = len(hours)
    crowd_ra = random.uniform(9.6, 10.4, crowd * frames)
    crowd_dec = random.uniform(-0.4, 0.4, crowd * frames)
    crowd_frame = np.repeat(np.arange(frames), crowd)
    times = START + np.array(hours) / 24.0
    return Detections(
        ra=np.append(10.0 + np.array(arcsec) / 3600.0, crowd_ra),
        dec=np.append(np.zeros(frames), crowd_dec),
        mjd=np.append(times, times[crowd_frame]),
        frame=np.append(np.arange(frames), crowd_frame),
        field=np.full(frames * (crowd + 1), 0.4),
        error=np.full(frames * (crowd + 1), ERROR),
        mag=np.append(mags, np.full(crowd * frames, 14.0 + 0.0 * crowd_ra)),
        mag_err=np.full(frames * (crowd + 1), 0.05),
        band=np.append(bands or np.zeros(frames), np.zeros(crowd * frames)).astype(np.int64),
        system=np.append(systems or np.zeros(frames), np.zeros(crowd * frames)).astype(np.int64),
    )


def linked(found: Detections) -> bool:
    return any(set(track.members) <= {0, 1, 2} for track in link(found, SETTINGS))


@pytest.mark.parametrize(
    ("arcsec", "mags", "bands", "moves"),
    [
        ([0.0, 15.0, 30.0], [19.0, 19.1, 18.9], None, True),
        ([0.0, 15.0, 30.0], [19.0, 20.2, 21.4], None, False),  # not of one brightness
        ([0.0, 15.0, 30.0], [19.0, 19.6, 19.0], [0, 1, 0], True),  # in two filters it may be so
        ([0.0, 0.3, 0.6], [19.0, 19.0, 19.0], None, False),  # too slow
        ([0.0, 700.0, 1400.0], [19.0, 19.0, 19.0], None, False),  # too fast
    ],
)
def test_what_is_linked_is_of_one_brightness_and_of_a_rate_within_bounds(arcsec, mags, bands, moves) -> None:
    assert linked(few([0.0, 0.5, 1.0], arcsec, mags, bands)) == moves


def test_brightness_in_unlike_units_neither_links_nor_parts() -> None:
    hours, arcsec = [0.0, 0.5, 1.0], [0.0, 15.0, 30.0]
    counts = [-10.9, 18.1, -10.9]  # of one frame the zeropoint is known
    assert not linked(few(hours, arcsec, counts))
    assert (0, 1, 2) in members(link(few(hours, arcsec, counts, systems=[1, 2, 1]), SETTINGS))
    # Of one system they are compared still: the third is another body, or none.
    assert (0, 1, 2) not in members(
        link(few(hours, arcsec, [-10.9, 18.1, -7.0], systems=[1, 2, 1]), SETTINGS)
    )


def visits(seed: int, seen: int, frames: int = 40, bogus: int = 5) -> Detections:
    """A night of frames at any time, and a body in some a minute apart: its detections are the last."""
    random = np.random.default_rng(seed)
    hours = np.sort(random.uniform(0.0, 8.0, frames))
    first = frames // 2
    hours[first : first + seen] = hours[first] + np.arange(seen) / 60.0
    rows = [
        (*random.uniform(-1800.0, 1800.0, 2), frame, random.uniform(19.0, 21.0))
        for frame in range(frames)
        for _ in range(bogus)
    ]
    for frame in range(first, first + seen):
        rows.append((150.0 * (hours[frame] - hours[first]), random.normal(0.0, 0.1), frame, 20.0))
    x, y, frame, mag = np.array(rows).T
    number = frame.astype(np.int64)
    count = len(x)
    return Detections(
        ra=150.0 + x / 3600.0,
        dec=y / 3600.0,
        mjd=START + hours[number] / 24.0,
        frame=number,
        field=np.full(count, 0.7),
        error=np.full(count, ERROR),
        mag=mag,
        mag_err=np.full(count, MAG_ERROR),
        band=np.zeros(count, dtype=np.int64),
        system=np.zeros(count, dtype=np.int64),
    )


@pytest.mark.parametrize("seen", [2, 6])
def test_what_appears_hours_later_is_no_part_of_a_track_of_minutes(seen: int) -> None:
    foreign = found = 0
    for seed in range(10):
        night_of = visits(seed, seen)
        own = set(range(len(night_of) - seen, len(night_of)))
        for track in link(night_of, SETTINGS):
            if own & set(track.members):
                found += 1
                foreign += len(set(track.members) - own)
    assert found >= 9
    assert foreign <= 2


def test_a_bend_is_no_straight_line() -> None:
    straight = link(few([0.0, 0.5, 1.0], [0.0, 15.0, 30.0], [19.0] * 3), SETTINGS)
    bent = link(few([0.0, 0.5, 1.0], [0.0, 15.0, 60.0], [19.0] * 3), SETTINGS)
    assert (0, 1, 2) in members(straight)
    assert (0, 1, 2) not in members(bent)


def test_two_detections_do_where_nothing_else_is_around() -> None:
    lonely = few([0.0, 0.25], [0.0, 8.0], [19.0, 19.05], crowd=10)
    (track,) = link(lonely, SETTINGS)
    assert track.members == (0, 1)
    assert track.rms_arcsec is None
    crowded, _ = night(5, bogus=300, frames=2)
    assert link(crowded, SETTINGS) == []


@pytest.mark.parametrize(("hours", "told"), [(2.9, True), (3.1, False)])
def test_two_detections_begin_a_track_within_the_gap_of_the_settings(hours: float, told: bool) -> None:
    assert linked(few([0.0, hours], [0.0, 10.0], [19.0, 19.0], crowd=10)) == told


def test_where_detections_crowd_chance_is_that_of_the_crowd() -> None:
    """As from a satellite's glare: thirty in 100 arcsec of each frame."""
    told = 0
    for seed in range(5):
        around, _ = night(seed, bogus=60, frames=3)
        random = np.random.default_rng(1000 + seed)
        crowd = np.flatnonzero(np.arange(len(around)) % 60 < 30)
        east, north = random.uniform(-50.0, 50.0, (2, len(crowd))) / 3600.0
        around.ra[crowd], around.dec[crowd] = 359.95 + east / np.cos(np.radians(30.0)), 30.0 + north
        told += len(link(around, SETTINGS))
    assert told <= 1


def test_nothing_is_no_trouble() -> None:
    found, _ = night(1, bogus=0, movers=1, frames=1)
    assert link(found, SETTINGS) == []
    assert link(found.take(np.zeros(0, dtype=np.int64)), SETTINGS) == []
