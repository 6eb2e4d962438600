"""Real frames to judge by: pairs of one field, with changes put into one of them.

The PSF is measured here: the median of bright isolated stars, each moved to the centre of its pixel. All
that a subtraction leaves of the real sky, optics and detector is in these frames as it was. The one star
that is known to change in the SAAO field, the microlensing event KB13475, is told, so that nobody takes it
for a bogus.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.judge.field import HOSTS, Field, Image, Injected, Shot
from benchmarks.pairs.ideal import flux_of_snr

Array = NDArray[np.float64]

SAAO = "saao_kb13475", ("0018", "0020", "0028", "0173", "0174", "0177")
LT = "lt_rise", ("1", "21", "41")
# Frames of one or two consecutive nights: what differs between them is hardly ever the sky.
PAIRS = {
    "saao": ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0), (3, 4), (4, 3), (4, 5), (5, 4), (3, 5), (5, 3)),
    "lt": ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)),
}
SKIES = tuple((sky, number) for sky, pairs in PAIRS.items() for number in range(len(pairs)))
NOISE_E = {"saao": 5.0, "lt": 12.0}  # of a read-out, from the headers
GAIN = {"saao": 1.9, "lt": 2.4}
SATURATION = {"saao": 65_300.0, "lt": 26_000.0}  # the lowest plateau of the frames
SNR = 3.0, 50.0
PER_MEGAPIXEL = {"saao": 100.0, "lt": 60.0}
ON_STARS = 0.2
MOST_CHANGED = 0.05  # of the stars by which a program calibrates the frame; few ever change
FADING = 0.35
APART_PX = 26.0
EDGE_PX = 30
EVENT_RADIUS_PX = 12.0


@dataclass(frozen=True)
class _Seen:
    """One real frame: its pixels, sky and noise in data units, its stars, its PSF."""

    data: Image
    sky: Image
    noise: float
    stars: Array  # (n, 3): x, y, height above the sky; brightest first
    psf: Array  # odd stamp of unit sum
    fwhm: float


def field_of(images: Path, sky: str, number: int, round_: int = 0) -> Field:
    """A real pair with changes.

    Parameters
    ----------
    images : Path
        The folder of the real frames.
    sky : str
        Of `PAIRS`.
    number : int
        Which pair.
    round_ : int
        Other changes in the same pixels.
    """
    rng = np.random.default_rng([77_003, list(PAIRS).index(sky), number, round_])
    pair = PAIRS[sky][number]
    paths = [_path(sky, which) for which in pair]
    new, ref = (_seen(images / path, SATURATION[sky]) for path in paths)
    shots = [seen.data.copy() for seen in (new, ref)]
    host, x, y = _places(new, sky, rng)
    sign = np.where(rng.random(len(x)) < FADING, -1.0, 1.0)
    snr = np.exp(rng.uniform(np.log(SNR[0]), np.log(SNR[1]), len(x)))
    flux = _flux(new, ref, sky, x, y, sign, snr)
    shift, ratio = _offset(new, ref)
    at_x, at_y = x + shift[0], y + shift[1]
    height, width = ref.data.shape
    # What fades must lie in the reference, whose grid is shifted. The others may fall off it: nobody can
    # find those, and the product's mask will tell.
    lost = (sign < 0) & (
        (at_x < EDGE_PX) | (at_y < EDGE_PX) | (at_x > width - EDGE_PX) | (at_y > height - EDGE_PX)
    )
    keep = ~lost
    x, y, at_x, at_y, sign, snr, flux, host = (
        each[keep] for each in (x, y, at_x, at_y, sign, snr, flux, host)
    )
    gain = GAIN[sky]
    for a, b, c, d, way, electrons in zip(x, y, at_x, at_y, sign, flux, strict=True):
        if way > 0:
            _put(shots[0], new.psf, a, b, electrons, gain, rng)
        else:
            _put(shots[1], ref.psf, c, d, electrons / ratio, gain, rng)
    bright = new.stars[new.stars[:, 2] + np.median(new.sky) > 0.5 * SATURATION[sky], :2]
    none = np.zeros(new.data.shape, np.uint8)
    excluded = np.zeros((0, 3))
    if sky == "saao":
        with (images / SAAO[0] / "truth.csv").open() as file:
            row = next(each for each in csv.DictReader(file) if each["file"] == Path(paths[0]).name)
        excluded = np.array([[float(row["x0"]), float(row["y0"]), EVENT_RADIUS_PX]])
    read_noise = NOISE_E[sky]
    return Field(
        name=f"{sky}-{number:02d}-{round_}",
        sky=sky,
        new=Shot(shots[0], gain, read_noise, SATURATION[sky]),
        ref=Shot(shots[1], gain, read_noise, SATURATION[sky]),
        injected=Injected(x, y, snr, sign, flux, host, np.where(host == HOSTS.index("star"), 0.0, np.nan)),
        streaks=np.zeros((0, 6)),
        footprints_new=none,
        footprints_ref=np.zeros(ref.data.shape, np.uint8),
        bright=bright,
        night=f"{sky}-{min(pair)}-{max(pair)}",
        scenario=sky,
        files=(paths[0], paths[1]),
        excluded=excluded,
    )


def _path(sky: str, which: int) -> str:
    folder, names = SAAO if sky == "saao" else LT
    name = f"AKB13475I{names[which]}.fits" if sky == "saao" else f"q_e_20200830_1_{names[which]}_1_1.fits"
    return f"{folder}/{name}"


def _seen(path: Path, saturation: float) -> _Seen:
    """Read a frame and find its sky, stars and PSF."""
    data = fits.getdata(path).astype(np.float32)
    sky = _sky(data)
    signal = data - sky
    noise = _noise(signal)
    stars = _stars(signal, noise)
    fwhm = _width(signal, stars, sky, saturation)
    psf = _psf(signal, stars, sky, saturation, fwhm)
    return _Seen(data, sky, noise, stars, psf, fwhm)


def _sky(data: Image) -> Image:
    """The lower half of the pixels of boxes, smoothed."""
    box = 64
    height, width = data.shape
    rows, columns = height // box, width // box
    blocks = data[: rows * box, : columns * box].reshape(rows, box, columns, box).swapaxes(1, 2)
    level = np.percentile(blocks.reshape(rows, columns, -1), 30, axis=2)
    level = ndimage.median_filter(level, 3, mode="nearest")
    at = [(np.arange(length) + 0.5) / box - 0.5 for length in (height, width)]
    grid = np.meshgrid(*at, indexing="ij")
    return ndimage.map_coordinates(level, grid, order=1, mode="nearest").astype(np.float32)


def _noise(signal: Image) -> float:
    """Of a pixel of the sky, from what pixels differ by from their neighbours where it is calmest.

    In a crowded field the pixels themselves tell of faint stars more than of noise.
    """
    cross = np.array([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]], dtype=np.float32)
    rough = signal - ndimage.convolve(signal, cross)
    smooth = ndimage.gaussian_filter(signal, 2.0)
    calm = rough[smooth < np.percentile(smooth, 40)]
    return float(1.4826 * np.median(np.abs(calm - np.median(calm))) / np.sqrt(1.25))


def _stars(signal: Image, noise: float) -> Array:
    """Local maxima of the smoothed image: x, y, height."""
    smooth = ndimage.gaussian_filter(signal, 1.5)
    peaks = (smooth == ndimage.maximum_filter(smooth, 7)) & (smooth > 5.0 * noise)
    peaks[:8], peaks[-8:], peaks[:, :8], peaks[:, -8:] = False, False, False, False
    rows, columns = np.nonzero(peaks)
    # The vertex of a parabola through the logarithm, which is exact for a Gaussian.
    logs = np.log(np.maximum(smooth, 0.1 * noise))
    here = logs[rows, columns]
    places = []
    for axis, step in ((columns, (0, 1)), (rows, (1, 0))):
        before, after = (logs[rows + way * step[0], columns + way * step[1]] for way in (-1, 1))
        curve = np.minimum(before - 2.0 * here + after, -1e-6)
        places.append(axis + np.clip(0.5 * (before - after) / curve, -0.5, 0.5))
    table = np.column_stack([*places, signal[rows, columns]])
    return table[np.argsort(-table[:, 2])]


def _isolated(stars: Array, sky: Image, saturation: float, apart: float) -> Array:
    """Bright stars below saturation with no star near that is a tenth as bright."""
    chosen = []
    for x, y, height in stars:
        level = float(sky[round(y), round(x)])
        if height + level > 0.6 * saturation:
            continue
        away = np.hypot(stars[:, 0] - x, stars[:, 1] - y)
        rival = stars[(away > 0.5) & (away < apart), 2]
        inside = apart < x < sky.shape[1] - apart and apart < y < sky.shape[0] - apart
        if inside and (len(rival) == 0 or rival.max() < 0.12 * height):
            chosen.append((x, y, height))
        if len(chosen) == 60:
            break
    return np.array(chosen).reshape(-1, 3)


def _width(signal: Image, stars: Array, sky: Image, saturation: float) -> float:
    """FWHM in pixels: of the circle of the area above half the height, the median of stars."""
    widths = []
    for x, y, _ in _isolated(stars, sky, saturation, 12.0)[:40]:
        stamp = _moved(signal, x, y, 10)
        fine = ndimage.zoom(stamp, 4, order=3, grid_mode=True, mode="nearest")
        near = fine[20:-20, 20:-20]
        widths.append(2.0 * np.sqrt(np.count_nonzero(near > 0.5 * near.max()) / np.pi) / 4.0)
    if not widths:
        raise ValueError("no isolated star in a frame to judge by")
    return float(np.median(widths))


def _psf(signal: Image, stars: Array, sky: Image, saturation: float, fwhm: float) -> Array:
    """The median of isolated stars of one flux, faded to nothing beyond three FWHM."""
    half = int(np.ceil(3.5 * fwhm))
    stamps = []
    for x, y, _ in _isolated(stars, sky, saturation, 3.0 * fwhm):
        stamp = _moved(signal, x, y, half)
        offset = np.arange(-half, half + 1)
        radius = np.hypot(offset[:, None], offset[None, :])
        stamp = stamp - np.median(stamp[radius > 3.0 * fwhm])
        core = float(stamp[radius < fwhm].sum())
        if core > 0:
            stamps.append(stamp / core)
    if len(stamps) < 5:
        raise ValueError(f"only {len(stamps)} isolated stars in a frame to judge by")
    psf = np.median(stamps, axis=0)
    fade = np.clip((3.3 * fwhm - radius) / (0.8 * fwhm), 0.0, 1.0)
    psf = np.maximum(psf, 0.0) * fade
    return np.asarray(psf / psf.sum())


def _moved(image: NDArray[np.generic], x: float, y: float, half: int) -> Array:
    """A stamp around a place, which comes to lie on its middle pixel."""
    column, row = round(x), round(y)
    wide = half + 3
    rows = np.clip(np.arange(row - wide, row + wide + 1), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(column - wide, column + wide + 1), 0, image.shape[1] - 1)
    stamp = image[np.ix_(rows, columns)].astype(float)
    moved = ndimage.shift(stamp, (row - y, column - x), order=3, mode="nearest")
    return np.asarray(moved[3:-3, 3:-3])


def _places(new: _Seen, sky: str, rng: np.random.Generator) -> tuple[NDArray[np.int64], Array, Array]:
    """Places in the new frame: on its stars and where its sky is calm."""
    height, width = new.data.shape
    count = round(PER_MEGAPIXEL[sky] * height * width / 1e6)
    lit = new.sky > 0.7 * np.median(new.sky)  # not in the shadow of the optics
    level = np.median(new.sky)
    bright = (new.stars[:, 2] > 8.0 * new.noise) & (new.stars[:, 2] + level < 0.4 * SATURATION[sky])
    hosts = new.stars[bright]
    weight = hosts[:, 2] ** 0.4
    order = rng.choice(len(hosts), len(hosts), replace=False, p=weight / weight.sum())
    empty = rng.uniform(0.0, 1.0, (40 * count, 2)) * (width - 1, height - 1)
    smooth = ndimage.gaussian_filter(new.data - new.sky, new.fwhm / 2.355)
    calm = smooth < np.percentile(smooth[lit], 50)
    rows, columns = np.rint(empty[:, 1]).astype(int), np.rint(empty[:, 0]).astype(int)
    most_stars = round(min(count * ON_STARS, len(hosts) * MOST_CHANGED))
    offered = ((2, hosts[order, :2], most_stars), (0, empty[calm[rows, columns]], count))
    taken = np.zeros((0, 3))
    for kind, places, most in offered:
        for x, y in places:
            if len(taken) >= most:
                break
            inside = EDGE_PX < x < width - EDGE_PX and EDGE_PX < y < height - EDGE_PX
            if (
                inside
                and lit[round(y), round(x)]
                and np.all(np.hypot(taken[:, 1] - x, taken[:, 2] - y) >= APART_PX)
            ):
                taken = np.vstack([taken, [kind, x, y]])
    return taken[:, 0].astype(int), taken[:, 1], taken[:, 2]


def _flux(new: _Seen, ref: _Seen, sky: str, x: Array, y: Array, sign: Array, snr: Array) -> Array:
    """Electrons in the new frame; the light under a place is taken to be the same in both frames."""
    half = max(new.psf.shape[0], ref.psf.shape[0]) // 2
    psfs = []
    for psf in (new.psf, ref.psf):
        psfs.append(np.repeat(np.pad(psf, half - psf.shape[0] // 2)[None], len(x), axis=0))
    padded = np.pad(np.maximum(ndimage.gaussian_filter(new.data - new.sky, 1.0), 0.0), half, mode="edge")
    # Noise is measured on the sky: it holds whatever the header does not tell.
    variances = []
    for seen in (new, ref):
        light = [
            padded[round(b) : round(b) + 2 * half + 1, round(a) : round(a) + 2 * half + 1]
            for a, b in zip(x, y, strict=True)
        ]
        variances.append(np.array(light, dtype=float) * GAIN[sky] + (seen.noise * GAIN[sky]) ** 2)
    return flux_of_snr(snr, sign > 0, psfs[0], psfs[1], variances[0], variances[1], (1.0, 1.0))


def _offset(new: _Seen, ref: _Seen) -> tuple[tuple[float, float], float]:
    """How far the same stars lie in the reference from where they are in the new frame, and their flux there.

    A vote over all pairs of bright stars, then the median of those that agree. The second value is what
    the new frame collects of a star for each electron of the reference.
    """
    a, b = new.stars[:250], ref.stars[:250]
    away = (b[None, :, :2] - a[:, None, :2]).reshape(-1, 2)
    edges = [np.arange(-120.5, 121.5, 1.0)] * 2
    votes, _, _ = np.histogram2d(away[:, 0], away[:, 1], bins=edges)
    votes = ndimage.uniform_filter(votes, 3)
    at = np.unravel_index(int(np.argmax(votes)), votes.shape)
    guess = np.array([at[0] - 120.0, at[1] - 120.0])
    near = np.hypot(*(b[None, :, :2] - a[:, None, :2] - guess).transpose(2, 0, 1)) < 2.5
    first, second = np.nonzero(near)
    if len(first) < 10:
        raise ValueError("the stars of two frames to judge by do not match")
    shift = np.median(b[second, :2] - a[first, :2], axis=0)
    heights = np.median(a[first, 2] / b[second, 2])
    ratio = heights * float(ref.psf.max() / new.psf.max())
    return (float(shift[0]), float(shift[1])), float(ratio)


def _put(
    data: Image, psf: Array, x: float, y: float, electrons: float, gain: float, rng: np.random.Generator
) -> None:
    """Add a point source with the noise of its photons."""
    half = psf.shape[0] // 2
    column, row = round(x), round(y)
    wide = ndimage.shift(np.pad(psf, 3), (y - row, x - column), order=3)[2:-2, 2:-2]
    counted = rng.poisson(np.maximum(wide, 0.0) * electrons) / gain
    half += 1
    top, left = row - half, column - half
    rows = slice(max(top, 0), min(row + half + 1, data.shape[0]))
    columns = slice(max(left, 0), min(column + half + 1, data.shape[1]))
    data[rows, columns] += counted[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ].astype(np.float32)
