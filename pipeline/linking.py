"""Linking: detections of one night that a body in straight motion explains.

Two detections make a track; what else lies on it supports it. How many tracks as good as one would be
found from a detection by chance is counted by the detections around, of the same brightness; of all
tracks that are told, no more than a set share is of chance (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import gammainc

from core.objects.sphere import chord, unit_vectors
from core.settings_sections import TrackletSettings

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

NEIGHBOURS = 10  # detections of a frame that tell how crowded a place is
NEXT_FRAMES = 8  # a detection is paired with those of so many later exposures of its field
LEAST_TOLERANCE_ARCSEC = 1.0
ANOTHER_FILTER_MAG = 1.2  # how much a colour may change a magnitude
SIGMAS = 3.0
MOST_BY_CHANCE = 0.03  # detections where a track leads, in all frames so far, up to which one is of the track
BENT_ARCSEC_HOUR2 = (
    0.05  # how far paths bend, a sigma: the Earth's turning moves bodies of the main belt by 5
)
KEPT_SIGMAS = 4.0  # of where a track leads, that its members may be off
WORST_PAIR = 0.5  # a pair that chance makes as often is no beginning
ARCSEC = 3600.0


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections of one night: arrays of one length.

    Attributes
    ----------
    ra, dec : float64
        Degrees.
    mjd : float64
    frame : int64
        Detections of one frame have one number.
    field : float64
        The radius of that frame on the sky, degrees, where it is no larger than its detections show.
    error : float64
        Of a position, per axis, arcsec.
    mag, mag_err : float64
        Of brightness without a zeropoint, ``-2.5 log10`` of the flux.
    band : int64
    system : int64
        Only magnitudes of one system are ever compared: between two systems, brightness tells nothing.
    """

    ra: Values
    dec: Values
    mjd: Values
    frame: Whole
    field: Values
    error: Values
    mag: Values
    mag_err: Values
    band: Whole
    system: Whole

    def __len__(self) -> int:
        return len(self.ra)

    def take(self, which: NDArray[np.int64]) -> Detections:
        """Some of them."""
        return Detections(*(getattr(self, item.name)[which] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Track:
    """A straight motion through some detections, in order of time.

    ``ra, dec`` (degrees) in the middle of the time; ``rms_arcsec`` per axis about the line, none of two.
    """

    members: tuple[int, ...]
    ra: float
    dec: float
    rate_arcsec_hour: float
    position_angle: float
    rms_arcsec: float | None
    chance: float


def link(found: Detections, settings: TrackletSettings) -> list[Track]:
    """The tracks of a night, the least likely to be of chance first; no detection is in two.

    Parameters
    ----------
    found : Detections
        Nothing that is known to stay where it is.
    settings : TrackletSettings
    """
    frames = _frames(found)
    if len(frames) < 2:
        return []
    pairs = _pairs(found, frames, settings)
    if len(pairs.first) == 0:
        return []
    members, chance = _supported(found, frames, pairs, settings)
    taken = np.zeros(len(found), dtype=bool)
    chosen: list[tuple[float, Whole]] = []
    for number in np.lexsort((-(members >= 0).sum(axis=1), chance)):
        if chance[number] > settings.false_share:
            break  # nor can any that follows be told, however many there are
        pair = np.array([pairs.first[number], pairs.second[number]])
        if taken[pair].any():
            continue
        mine = _along(found, frames, pair, members[number][members[number] >= 0])
        if taken[mine].any():
            continue
        taken[mine] = True
        chosen.append((float(chance[number]), mine))
    kept = _true_share(np.array([each[0] for each in chosen]), len(found), settings.false_share)
    return [_track(found, mine, value) for value, mine in chosen[:kept]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame's detections, a tree of their places on the unit sphere, its radius in arcsec, its middle."""

    mjd: float
    which: Whole
    tree: KDTree
    radius: float
    centre: Values

    def crowd(self, places: NDArray[np.float64]) -> tuple[Values, Values]:
        """Radii (arcsec) around places that hold so many detections, where these are counted."""
        count = min(NEIGHBOURS, len(self.which))
        distance = self.tree.query(places, k=count)[0].reshape(len(places), count)[:, -1]
        # A frame with few of them is as crowded as it is on the whole.
        radius = _arcsec(distance) if len(self.which) > NEIGHBOURS else np.full(len(places), self.radius)
        return np.maximum(radius, 1e-6), np.full(len(places), float(count))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of detections of two frames: indices, the frames, and how many such pairs chance makes."""

    first: Whole
    second: Whole
    frames: Whole  # (n, 2)
    chance: Values


def _frames(found: Detections) -> list[_Frame]:
    """Frames with detections, in order of time."""
    made = []
    for number in np.unique(found.frame):
        which = np.flatnonzero(found.frame == number)
        tree = KDTree(unit_vectors(found.ra[which], found.dec[which]))
        centre = np.asarray(tree.data).mean(axis=0)
        centre /= np.linalg.norm(centre)
        # A survey's field may be wider than what was told of it.
        spread = float(_arcsec(np.linalg.norm(tree.data - centre, axis=1)).max())
        radius = max(float(found.field[which[0]]) * ARCSEC, spread)
        made.append(_Frame(float(found.mjd[which[0]]), which, tree, radius, centre))
    return sorted(made, key=lambda frame: frame.mjd)


def _pairs(found: Detections, frames: list[_Frame], settings: TrackletSettings) -> _Pairs:
    columns: list[tuple[Whole, Whole, Whole, Values]] = []
    tries = np.zeros(len(found))
    centres = np.array([frame.centre for frame in frames]).reshape(-1, 3)
    radii = np.array([frame.radius for frame in frames])
    for a, early in enumerate(frames):
        linked = set[float]()  # times: the chips of a mosaic are one exposure
        # No detection of farther ones is within both radii of one here: they are of another field.
        apart = _arcsec(np.linalg.norm(centres[a + 1 :] - centres[a], axis=1))
        for b in a + 1 + np.flatnonzero(apart <= 2.0 * (radii[a + 1 :] + radii[a])):
            hours = (frames[b].mjd - early.mjd) * 24.0
            is_another = frames[b].mjd not in linked
            if hours > settings.max_gap_hours or (is_another and len(linked) >= NEXT_FRAMES):
                break
            if hours <= 0.0:
                continue
            first, second, chance = _between(found, early, frames[b], hours, settings)
            if chance is None:
                continue  # of another field
            linked.add(frames[b].mjd)
            tries[early.which] += is_another
            columns.append((first, second, np.tile([a, b], (len(first), 1)), chance))
    if not columns:
        none = np.zeros(0, dtype=np.int64)
        return _Pairs(none, none, none.reshape(0, 2), np.zeros(0))
    first, second, numbers, chance = (np.concatenate(each) for each in zip(*columns, strict=True))
    chance = chance * tries[first]  # a detection may find its partner in any of these exposures
    good = chance < WORST_PAIR
    return _Pairs(first[good], second[good], numbers[good], chance[good])


def _between(
    found: Detections, early: _Frame, late: _Frame, hours: float, settings: TrackletSettings
) -> tuple[Whole, Whole, Values | None]:
    """Pairs of two frames, and for each how many pairs as near chance would make."""
    none = np.zeros(0, dtype=np.int64)
    here = np.asarray(early.tree.data)
    reach = chord(settings.max_arcsec_hour * hours / ARCSEC)
    nearest = late.tree.query(here)[0].min()
    if _arcsec(nearest) > early.radius + late.radius:
        return none, none, None
    if nearest > reach:
        return none, none, np.zeros(0)
    crowd, _ = late.crowd(here)
    first, second, chance = [], [], []
    for i, near in enumerate(late.tree.query_ball_point(here, reach)):
        if not near:
            continue
        one = int(early.which[i])
        others = late.which[np.array(near, dtype=np.int64)]
        apart = _apart(found, one, others)
        alike = _alike(found, one, others, settings)
        error = SIGMAS * np.hypot(found.error[one], found.error[others])
        moved = apart >= np.maximum(settings.min_arcsec_hour * hours, error)
        good = alike & moved
        if not good.any():
            continue
        # Were those around that are alike all of chance, so many would be as near as this one.
        around = late.tree.query_ball_point(here[i], chord(crowd[i] / ARCSEC) * (1.0 + 1e-9))
        number = max(np.count_nonzero(_alike(found, one, late.which[around], settings)), 1)
        chosen = others[good]
        first += [one] * len(chosen)
        second += chosen.tolist()
        chance += (number * (apart[good] / crowd[i]) ** 2).tolist()
    return np.array(first, dtype=np.int64), np.array(second, dtype=np.int64), np.array(chance)


def _supported(
    found: Detections, frames: list[_Frame], pairs: _Pairs, settings: TrackletSettings
) -> tuple[NDArray[np.int64], Values]:
    """For each pair its detections by frame, -1 for none, and how many such tracks chance would make."""
    members = np.full((len(pairs.first), len(frames)), -1, dtype=np.int64)
    each = np.arange(len(pairs.first))
    members[each, pairs.frames[:, 0]] = pairs.first
    members[each, pairs.frames[:, 1]] = pairs.second
    start = unit_vectors(found.ra[pairs.first], found.dec[pairs.first])
    step = unit_vectors(found.ra[pairs.second], found.dec[pairs.second]) - start
    t0, t1 = found.mjd[pairs.first], found.mjd[pairs.second]
    expected = np.zeros(len(pairs.first))
    for number, frame in enumerate(frames):
        others = np.flatnonzero((pairs.frames != number).all(axis=1))
        if len(others) == 0:
            continue
        share = (frame.mjd - t0[others]) / (t1[others] - t0[others])
        spread = np.hypot(1.0 - share, share)  # of two places, carried on along their line
        error = np.maximum(found.error[pairs.first[others]], found.error[pairs.second[others]])
        tolerance = np.maximum(SIGMAS * error * np.hypot(spread, 1.0), LEAST_TOLERANCE_ARCSEC)
        places = start[others] + share[:, None] * step[others]
        places /= np.linalg.norm(places, axis=1, keepdims=True)
        radius, count = frame.crowd(places)
        expected[others] += np.minimum(count * (tolerance / np.maximum(radius, tolerance)) ** 2, 1.0)
        distance, nearest = frame.tree.query(places)
        best = frame.which[nearest]
        fits = _arcsec(distance) <= tolerance
        first, second = pairs.first[others[fits]], pairs.second[others[fits]]
        # That of the pair whose brightness tells something.
        beside = np.where(found.system[first] == found.system[best[fits]], first, second)
        same = np.array(
            [
                bool(_alike(found, int(one), np.array([other]), settings)[0])
                for one, other in zip(beside, best[fits], strict=True)
            ],
            dtype=bool,
        )
        rows = others[fits][same]
        members[rows, number] = best[fits][same]
    supports = (members >= 0).sum(axis=1) - 2
    # Poisson's chance of so many or more.
    chance = pairs.chance * np.where(supports > 0, gammainc(np.maximum(supports, 1), expected), 1.0)
    return members, np.asarray(chance)


def _along(found: Detections, frames: list[_Frame], pair: Whole, members: Whole) -> Whole:
    """The members of a pair's track that are still on it as each is added, in order of time.

    Carried on from a minute to hours later a pair fits anything, and of a whole night's frames some would
    have something there. From frame to frame, the nearest in time first, it is known ever better. Where
    chance has had `MOST_BY_CHANCE` detections within its error in all frames so far, the rest tells nothing.
    """
    kept, by_chance = pair.tolist(), 0.0
    number_of = {int(found.frame[each]): int(each) for each in np.setdiff1d(members, pair)}
    own = {int(found.frame[each]) for each in kept}
    for frame in sorted(frames, key=lambda each: np.abs(found.mjd[pair] - each.mjd).min()):
        number = int(found.frame[frame.which[0]])
        if number in own:
            continue
        place, error = _predicted(found, kept, frame.mjd)
        if _arcsec(np.asarray(np.linalg.norm(place - frame.centre))) > 2.0 * frame.radius:
            continue  # of another field
        other = number_of.get(number)
        each_error = float(found.error[frame.which[0] if other is None else other])
        tolerance = max(KEPT_SIGMAS * math.hypot(error, each_error), LEAST_TOLERANCE_ARCSEC)
        radius, count = frame.crowd(place[None])
        by_chance += float(count[0]) * (tolerance / max(float(radius[0]), tolerance)) ** 2
        if by_chance > MOST_BY_CHANCE:
            break
        if other is None:
            continue
        here = unit_vectors(found.ra[[other]], found.dec[[other]])[0]
        if _arcsec(np.asarray(np.linalg.norm(here - place))) <= tolerance:
            kept.append(other)
    chosen = np.array(kept)
    return np.asarray(chosen[np.argsort(found.mjd[chosen], kind="stable")])


def _predicted(found: Detections, members: list[int], mjd: float) -> tuple[Values, float]:
    """Where a line through some detections leads at a time, a unit vector; and its error, arcsec an axis."""
    vectors = unit_vectors(found.ra[members], found.dec[members])
    middle = float(found.mjd[members].mean())
    hours = (found.mjd[members] - middle) * 24.0
    spread = float(np.sum(hours**2))
    ahead = (mjd - middle) * 24.0
    place = vectors.mean(axis=0) + ahead * (hours @ vectors) / spread
    error = float(found.error[members].max()) * math.sqrt(1.0 / len(members) + ahead**2 / spread)
    return np.asarray(place / np.linalg.norm(place)), math.hypot(error, BENT_ARCSEC_HOUR2 * ahead**2)


def _true_share(chance: Values, tried: int, false_share: float) -> int:
    """How many of the ordered tracks can be told, so that at most a share of them is of chance."""
    if len(chance) == 0:
        return 0
    ranks = np.arange(1, len(chance) + 1)
    good = np.flatnonzero(chance <= false_share * ranks / max(tried, 1))
    return int(good[-1]) + 1 if len(good) else 0


def _arcsec(chords: Values) -> Values:
    """Angles of chords of the unit sphere."""
    return np.asarray(np.degrees(2.0 * np.arcsin(np.minimum(chords / 2.0, 1.0))) * ARCSEC)


def _apart(found: Detections, one: int, others: Whole) -> Values:
    """Arcseconds from a detection to others."""
    here = unit_vectors(found.ra[one], found.dec[one])
    there = unit_vectors(found.ra[others], found.dec[others])
    return _arcsec(np.linalg.norm(there - here, axis=-1))


def _alike(found: Detections, one: int, others: Whole, settings: TrackletSettings) -> NDArray[np.bool_]:
    """Whether detections are as bright as one, as far as bodies are steady and colours are known.

    In a night some frames have a zeropoint and some have none: between these, all of known brightness are.
    """
    allowed = np.where(found.band[others] == found.band[one], settings.max_mag_difference, ANOTHER_FILTER_MAG)
    error = SIGMAS * np.hypot(found.mag_err[others], found.mag_err[one])
    difference = found.mag[others] - found.mag[one]
    is_unlike = (found.system[others] != found.system[one]) & np.isfinite(difference)
    return np.asarray(is_unlike | (np.abs(difference) <= allowed + error))


def _track(found: Detections, members: Whole, chance: float) -> Track:
    """The straight line through some detections, on the plane that touches the sky in their middle."""
    vectors = unit_vectors(found.ra[members], found.dec[members])
    middle = vectors.mean(axis=0)
    middle /= np.linalg.norm(middle)
    ra = math.atan2(middle[1], middle[0])
    east = np.array([-math.sin(ra), math.cos(ra), 0.0])
    north = np.cross(middle, east)
    depth = vectors @ middle
    xi, eta = (np.degrees(vectors @ axis / depth) * ARCSEC for axis in (east, north))
    centre = 0.5 * (found.mjd[members[0]] + found.mjd[members[-1]])
    hours = (found.mjd[members] - centre) * 24.0
    design = np.column_stack([np.ones_like(hours), hours])
    weight = 1.0 / np.maximum(found.error[members], 0.05)
    (x, vx), (y, vy) = (
        np.linalg.lstsq(design * weight[:, None], values * weight, rcond=None)[0] for values in (xi, eta)
    )
    rms = None
    if len(members) > 2:
        rest = np.concatenate([xi - design @ (x, vx), eta - design @ (y, vy)])
        rms = math.sqrt(float(np.sum(rest**2)) / (2 * len(members) - 4))
    place = middle + (east * x + north * y) * math.radians(1.0 / ARCSEC)
    place /= np.linalg.norm(place)
    return Track(
        members=tuple(int(each) for each in members),
        ra=math.degrees(math.atan2(place[1], place[0])) % 360.0,
        dec=math.degrees(math.asin(place[2])),
        rate_arcsec_hour=math.hypot(vx, vy),
        position_angle=math.degrees(math.atan2(vx, vy)) % 360.0,
        rms_arcsec=rms,
        chance=chance,
    )
