"""Where places of a reference's grid lie on the sky and in a frame, kept as few numbers.

The store answers questions about positions without the images and without a WCS library: whoever
has both fits these maps, and the store keeps their coefficients beside what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.objects.sphere import unit_vectors

Values = NDArray[np.float64]

DEGREE = 5  # follows the distortion of any camera, and a field of some degrees, to hundredths of a pixel
POWERS = tuple((order - j, j) for order in range(DEGREE + 1) for j in range(order + 1))
TRUSTED = 1.5  # times the size of the box that a polynomial was fitted in; beyond it runs wild
STEPS = 30
CLOSE = 1e-6  # of the box


@dataclass(frozen=True, slots=True, eq=False)
class PlaneMap:
    """A polynomial map of degree 5 from one plane to another.

    Attributes
    ----------
    box : (4,) float64
        Centre x and y, half width and half height of the places it was fitted to.
    coefficients : (2, 21) float64
        Of the images' x and y in the terms ``u**i * v**j``, where u and v are -1 to 1 in the box.
    """

    box: Values
    coefficients: Values

    @classmethod
    def fit(cls, x: Values, y: Values, to_x: Values, to_y: Values) -> PlaneMap:
        """The map of least squares through pairs of places, of 21 or more."""
        low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
        half = np.maximum((high - low) / 2.0, np.finfo(np.float64).tiny)
        box = np.concatenate([(low + high) / 2.0, half])
        design = _terms(box, x, y)
        solution = np.linalg.lstsq(design, np.column_stack([to_x, to_y]), rcond=None)[0]
        return cls(box, np.ascontiguousarray(solution.T))

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        """Where a place lies in the other plane."""
        to_x, to_y = (self.coefficients @ _terms(self.box, np.array([x]), np.array([y]))[0]).tolist()
        return to_x, to_y

    def is_near(self, x: float, y: float) -> bool:
        """Whether a place is so near the box that the polynomial means something there."""
        u, v = (np.array([x, y]) - self.box[:2]) / self.box[2:]
        return bool(max(abs(u), abs(v)) <= TRUSTED)

    @property
    def scale(self) -> float:
        """Lengths of the other plane in one of this, at the centre of the box."""
        return math.sqrt(abs(float(np.linalg.det(self._slope()))))

    def inverse(self, to_x: float, to_y: float) -> tuple[float, float] | None:
        """The place near the box that lies here in the other plane; none where there is none."""
        slope = self._slope()
        if not np.isfinite(slope).all() or np.linalg.matrix_rank(slope) < 2:
            return None
        back = np.linalg.inv(slope)
        place = self.box[:2].copy()
        for _ in range(STEPS):
            step = back @ (np.array([to_x, to_y]) - np.array(self(*place.tolist())))
            place = place + step
            if not np.isfinite(place).all() or not self.is_near(*place.tolist()):
                return None
            if np.max(np.abs(step) / self.box[2:]) < CLOSE:
                x, y = place.tolist()
                return x, y
        return None

    def _slope(self) -> Values:
        """The Jacobian at the centre of the box."""
        return self.coefficients[:, 1:3] / self.box[2:]


@dataclass(frozen=True, slots=True, eq=False)
class SkyMap:
    """The sky on the pixels of a reference.

    Attributes
    ----------
    ra, dec : float
        Degrees: the middle of the reference.
    plane : PlaneMap
        From Lambert's azimuthal equal-area projection around it, in radians, to the pixels.
    """

    ra: float
    dec: float
    plane: PlaneMap

    @classmethod
    def fit(cls, ra: Values, dec: Values, x: Values, y: Values) -> SkyMap:
        """The map of least squares through positions (degrees) and their pixels, of 21 or more."""
        middle = unit_vectors(ra, dec).mean(axis=0)
        centre = (
            math.degrees(math.atan2(middle[1], middle[0])) % 360.0 % 360.0,  # a tiny negative one is 360 once
            math.degrees(math.atan2(middle[2], math.hypot(middle[0], middle[1]))),
        )
        return cls(*centre, PlaneMap.fit(*_project(*centre, ra, dec), x, y))

    def to_grid(self, ra: float, dec: float) -> tuple[float, float] | None:
        """The pixel of a position (degrees); none far from the reference."""
        east, north = (
            float(value[0]) for value in _project(self.ra, self.dec, np.array([ra]), np.array([dec]))
        )
        return self.plane(east, north) if self.plane.is_near(east, north) else None

    def to_sky(self, x: float, y: float) -> tuple[float, float] | None:
        """Right ascension and declination of a pixel, degrees; none far from the reference."""
        place = self.plane.inverse(x, y)
        if place is None:
            return None
        east, north, centre = _axes(self.ra, self.dec)
        square = place[0] ** 2 + place[1] ** 2
        if square > 4.0:
            return None
        away = math.sqrt(1.0 - square / 4.0)
        vector = centre * (1.0 - square / 2.0) + (east * place[0] + north * place[1]) * away
        ra = math.degrees(math.atan2(vector[1], vector[0])) % 360.0 % 360.0
        return ra, math.degrees(math.atan2(vector[2], math.hypot(vector[0], vector[1])))

    @property
    def pixel_scale(self) -> float:
        """Arcseconds in a pixel, at the middle of the reference."""
        return math.degrees(1.0 / self.plane.scale) * 3600.0


def _terms(box: Values, x: NDArray[Any], y: NDArray[Any]) -> Values:
    """Every term at every place: (n, 21)."""
    u, v = (x - box[0]) / box[2], (y - box[1]) / box[3]
    return np.stack([u**i * v**j for i, j in POWERS], axis=-1)


def _axes(ra: float, dec: float) -> tuple[Values, Values, Values]:
    """Unit vectors to the east, to the north and to a position itself."""
    a, d = math.radians(ra), math.radians(dec)
    east = np.array([-math.sin(a), math.cos(a), 0.0])
    north = np.array([-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d)])
    return east, north, unit_vectors(ra, dec)


def _project(ra0: float, dec0: float, ra: Values, dec: Values) -> tuple[Values, Values]:
    """Lambert's azimuthal equal-area projection around a position: it is smooth but at the antipode."""
    east, north, centre = _axes(ra0, dec0)
    vectors = unit_vectors(ra, dec)
    stretch = np.sqrt(2.0 / np.maximum(1.0 + vectors @ centre, 1e-12))
    return (vectors @ east) * stretch, (vectors @ north) * stretch
