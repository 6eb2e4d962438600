"""What cameras, weather and programs do to a frame: each takes its data and returns them spoilt.

Light above the frame's own sky is what is moved, dimmed or smoothed; sizes are those of real detectors, or
larger. Nothing here is known to the product.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]
Way = Callable[[Image], NDArray[np.floating]]


def sky_of(data: Image) -> float:
    """The median, in data units."""
    return float(np.median(data))


def noise_of(data: Image) -> float:
    """The standard deviation of the sky, from the median absolute deviation of all pixels."""
    return float(1.4826 * np.median(np.abs(data - np.median(data))))


def _random(data: Image) -> np.random.Generator:
    """The same for the same data."""
    return np.random.default_rng(zlib.crc32(data.tobytes()))


def _grid(data: Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    y, x = np.indices(data.shape)
    return y, x


def _quarter(change: Callable[[Image], NDArray[np.floating]]) -> Way:
    """A quarter of the frame changed: a chip, or what a sharp edge divides."""

    def way(data: Image) -> Image:
        spoilt = data.copy()
        part = spoilt[data.shape[0] // 2 :, data.shape[1] // 2 :]
        part[:] = change(part.copy())
        return spoilt

    return way


def _moved(down: int, right: int) -> Way:
    return _quarter(lambda part: np.roll(part, (down, right), (0, 1)))


def _dimmed(left: float) -> Way:
    return _quarter(lambda part: _through(part, np.full(part.shape, left)))


def _through(data: Image, share: NDArray[np.floating]) -> NDArray[np.floating]:
    """What of the light above the sky comes through; the sky stays as bright, and as noisy."""
    sky, noise = sky_of(data), noise_of(data)
    lost = _random(data).normal(0.0, noise, data.shape) * np.sqrt(1.0 - share**2)
    return sky + (data - sky) * share + lost


def _half_brighter(share: float) -> Way:
    """One amplifier of two with another gain than the header's."""

    def way(data: Image) -> Image:
        spoilt = data.copy()
        spoilt[:, data.shape[1] // 2 :] *= 1.0 + share
        return spoilt

    return way


def half_higher(data: Image) -> Image:
    """One amplifier of two whose bias drifted."""
    spoilt = data.copy()
    spoilt[:, data.shape[1] // 2 :] += 1.5 * noise_of(data)
    return spoilt


def rows_jump(data: Image) -> Image:
    """Each row read out a pixel too early or too late, or not."""
    steps = _random(data).integers(-1, 2, len(data))
    return np.stack([np.roll(row, step) for row, step in zip(data, steps, strict=True)])


def hum(data: Image) -> NDArray[np.floating]:
    """Interference of a period that the rows do not share."""
    return data + 4.0 * noise_of(data) * np.sin(np.arange(data.size).reshape(data.shape) / 37.3)


def crosstalk(data: Image) -> NDArray[np.floating]:
    """Bright stars seen again, mirrored, by the other amplifier."""
    mirrored = data[:, ::-1] - sky_of(data)
    return data + 0.06 * np.where(mirrored > 0.3 * mirrored.max(), mirrored, 0.0)


def hot_pixels(data: Image) -> Image:
    """Two in a hundred."""
    rng = _random(data)
    spoilt = data.copy()
    hot = rng.random(data.shape) < 0.02
    spoilt[hot] += rng.exponential(20.0 * noise_of(data), int(hot.sum()))
    return spoilt


def cosmic_rays(data: Image) -> Image:
    """An hour's worth: fifteen hundred a megapixel, up to twelve pixels long."""
    rng = _random(data)
    spoilt, (height, width) = data.copy(), data.shape
    for _ in range(round(1.5e-3 * data.size)):
        y, x, angle = rng.uniform(5, height - 17), rng.uniform(5, width - 17), rng.uniform(0.0, np.pi / 2)
        along = np.arange(rng.integers(1, 12))
        rows, columns = (y + along * np.sin(angle)).astype(int), (x + along * np.cos(angle)).astype(int)
        np.add.at(spoilt, (rows, columns), rng.exponential(40.0 * noise_of(data), len(along)))
    return spoilt


def dust(data: Image) -> NDArray[np.floating]:
    """Rings of a flat field that has moved since."""
    rng = _random(data)
    y, x = _grid(data)
    shade = np.ones(data.shape)
    for _ in range(10):
        radius = np.hypot(y - rng.integers(0, data.shape[0]), x - rng.integers(0, data.shape[1]))
        shade *= 1.0 - 0.06 * ((radius < 20) & (radius > 8))
    return data * shade


def fringes(data: Image) -> NDArray[np.floating]:
    """A twentieth of the sky."""
    y, x = _grid(data)
    return data + 0.05 * sky_of(data) * np.sin(x / 25.0 + 3.0 * np.sin(y / 90.0))


def satellites(data: Image) -> NDArray[np.floating]:
    """Four trails across the frame."""
    rng = _random(data)
    y, x = _grid(data)
    spoilt = data.astype(np.float64)
    for _ in range(4):
        angle, off = rng.uniform(0.0, np.pi), rng.uniform(-0.25, 0.25) * len(data)
        across = (x - data.shape[1] / 2) * np.sin(angle) - (y - data.shape[0] / 2) * np.cos(angle) - off
        spoilt += rng.uniform(3.0, 60.0) * noise_of(data) * np.exp(-0.5 * (across / 1.4) ** 2)
    return spoilt


def airplane(data: Image) -> NDArray[np.floating]:
    """Its lamp flashes ten times on a line."""
    y, x = _grid(data)
    spoilt = data.astype(np.float64)
    for step in np.linspace(0.05, 0.95, 10):
        far2 = (x - step * data.shape[1]) ** 2 + (y - (0.2 + 0.5 * step) * data.shape[0]) ** 2
        spoilt += 80.0 * noise_of(data) * np.exp(-0.5 * far2 / 1.4**2)
    return spoilt


def moonlight(data: Image) -> NDArray[np.floating]:
    """Three times the sky in one corner."""
    y, x = _grid(data)
    far2 = (x - data.shape[1]) ** 2 + (y - data.shape[0]) ** 2
    return data + 3.0 * sky_of(data) * np.exp(-far2 / (0.45 * data.shape[1]) ** 2)


def ghost(data: Image) -> NDArray[np.floating]:
    """A ring of a bright star's light, with sharp edges."""
    y, x = _grid(data)
    radius = np.hypot(y - 0.4 * data.shape[0], x - 0.45 * data.shape[1])
    return data + 5.0 * noise_of(data) * ((radius < 150) & (radius > 40))


def clouds(data: Image) -> NDArray[np.floating]:
    """Thin and thick within a few hundred pixels; the sky stays as bright."""
    coarse = ndimage.gaussian_filter(_random(data).normal(size=[side // 32 + 1 for side in data.shape]), 3.0)
    fine = ndimage.zoom(coarse / coarse.std(), 32, order=1)[: data.shape[0], : data.shape[1]]
    return _through(data, np.clip(0.6 - 0.25 * fine, 0.1, 1.0))


def defocused_side(data: Image) -> NDArray[np.floating]:
    """A tilted camera: stars twice as wide along one side."""
    _, x = _grid(data)
    sky, noise = sky_of(data), noise_of(data)
    wide = ndimage.gaussian_filter(data - sky, 3.0) + _random(data).normal(0.0, noise, data.shape)
    share = np.clip((x - 0.3 * data.shape[1]) / (0.45 * data.shape[1]), 0.0, 1.0)
    return sky + (data - sky) * (1.0 - share) + wide * share


def twice(data: Image) -> NDArray[np.floating]:
    """The telescope moved in mid-exposure."""
    return data + 0.5 * np.roll(data - sky_of(data), (30, 17), (0, 1))


def trailed(data: Image) -> NDArray[np.floating]:
    """The mean of three copies, a pixel apart each: its noise is no longer white."""
    spread = sum(np.roll(data.astype(np.float64), step, 1) for step in (-1, 0, 1)) / 3.0
    return np.asarray(spread) + _random(data).normal(0.0, 0.8 * noise_of(data), data.shape)


def cut_at_sky(data: Image) -> NDArray[np.floating]:
    """The sky subtracted, and what was negative lost."""
    return np.clip(data - sky_of(data), 0.0, None)


def sky_subtracted(data: Image) -> NDArray[np.floating]:
    """The sky subtracted, and all kept."""
    return data - sky_of(data)


def coarse_steps(data: Image) -> NDArray[np.floating]:
    """Data in steps of three sigma."""
    step = 3.0 * noise_of(data)
    return np.round(data / step) * step


def smoothed(data: Image) -> NDArray[np.floating]:
    """By a program that makes pictures."""
    return ndimage.gaussian_filter(data.astype(np.float64), 1.2)


def median_of_nine(data: Image) -> NDArray[np.floating]:
    """By a program that takes noise away."""
    return ndimage.median_filter(data, 3)


def sharpened(data: Image) -> NDArray[np.floating]:
    """By an unsharp mask."""
    wide = ndimage.gaussian_filter(data.astype(np.float64), 2.0)
    return data + 1.5 * (data - wide)


def root(data: Image) -> NDArray[np.floating]:
    """Stretched by a square root."""
    return 100.0 * np.sqrt(np.clip(data, 0.0, None))


def stretched(data: Image) -> NDArray[np.floating]:
    """Stretched by an inverse hyperbolic sine."""
    return np.arcsinh((data - sky_of(data)) / noise_of(data)) * 300.0 + 1000.0


def eight_bits(data: Image) -> NDArray[np.floating]:
    """A picture's: 60 sigma in 256 steps."""
    noise = noise_of(data)
    return np.clip((data - sky_of(data) + 5.0 * noise) / (60.0 * noise) * 255.0, 0, 255).astype(np.uint8)


def shrunk(data: Image) -> NDArray[np.floating]:
    """To seven tenths of its size, by straight lines between pixels; the header says nothing of it."""
    return ndimage.zoom(data, 0.7, order=1)


def inverted(data: Image) -> NDArray[np.floating]:
    """A negative."""
    return 2.0 * sky_of(data) - data


def no_stars(data: Image) -> NDArray[np.floating]:
    """A closed dome: sky and noise alone."""
    return sky_of(data) + _random(data).normal(0.0, noise_of(data), data.shape)


def constant(data: Image) -> NDArray[np.floating]:
    """One value in all pixels."""
    return np.full_like(data, 1000.0)


def nan_cores(data: Image) -> NDArray[np.floating]:
    """Bright stars cut out."""
    return np.where(data - sky_of(data) > 30.0 * noise_of(data), np.nan, data)


def chessboard(data: Image) -> NDArray[np.floating]:
    """Every other pixel without a value."""
    y, x = _grid(data)
    return np.where((x + y) % 2 == 0, np.nan, data)


def as_it_is(data: Image) -> Image:
    """Not spoilt at all: what the others are beside."""
    return data


WAYS: dict[str, Way] = {
    "as it is": as_it_is,
    "a quarter moved by 1 px": _moved(1, 0),
    "a quarter moved by 2 px": _moved(2, 0),
    "a quarter moved by 5 px": _moved(4, -3),
    "a quarter moved by 11 px": _moved(9, 6),
    "a quarter dimmed to .5": _dimmed(0.5),
    "a quarter dimmed to .02": _dimmed(0.02),
    "half of it 10 % brighter": _half_brighter(0.1),
    "half of it 30 % brighter": _half_brighter(0.3),
    "half of it 1.5 sigma higher": half_higher,
    "rows jump by a pixel": rows_jump,
    "hum of 4 sigma": hum,
    "crosstalk of 6 %": crosstalk,
    "hot pixels, 2 %": hot_pixels,
    "cosmic rays, 1,500 a Mpx": cosmic_rays,
    "dust rings of 6 %": dust,
    "fringes of 5 %": fringes,
    "four satellites": satellites,
    "an airplane's flashes": airplane,
    "moonlight in a corner": moonlight,
    "a ghost of 5 sigma": ghost,
    "clouds": clouds,
    "one side defocused": defocused_side,
    "exposed twice": twice,
    "three copies averaged": trailed,
    "sky subtracted": sky_subtracted,
    "sky subtracted and cut off": cut_at_sky,
    "in steps of 3 sigma": coarse_steps,
    "smoothed": smoothed,
    "median of 3 x 3": median_of_nine,
    "sharpened": sharpened,
    "square root": root,
    "asinh": stretched,
    "eight bits": eight_bits,
    "shrunk to .7": shrunk,
    "negative": inverted,
    "no stars": no_stars,
    "one value": constant,
    "stars without cores": nan_cores,
    "every other pixel NaN": chessboard,
}
