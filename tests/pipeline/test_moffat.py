"""Two apertures tell how far the wings of stars reach."""

import pytest

from pipeline.stellar.moffat import beta_of, beta_of_ratio, share
from pipeline.stellar.stars import find_stars
from tests.pipeline.synthetic import star_frame


@pytest.mark.parametrize("beta", [2.5, 3.0, 4.5])
def test_two_apertures_tell_the_light_of_a_moffat_profile(beta: float) -> None:
    def within(radius: float) -> float:
        return 1.0 - (1.0 + 4.0 * radius**2 * (2.0 ** (1.0 / beta) - 1.0)) ** (1.0 - beta)

    assert beta_of_ratio(within(1.5) / within(3.0)) == pytest.approx(beta, abs=0.01)
    assert share(beta) == pytest.approx(within(1.5), abs=1e-6)


@pytest.mark.parametrize("beta", [2.5, 4.5])
def test_the_stars_of_a_frame_tell_their_profile(beta: float) -> None:
    frame, _ = star_frame((300, 300), seed=4, n_stars=40, fwhm=3.5, beta=beta)
    assert beta_of(frame, find_stars(frame), 3.5) == pytest.approx(beta, rel=0.15)


def test_no_stars_and_no_width_tell_none() -> None:
    frame, _ = star_frame((128, 128), n_stars=10)
    stars = find_stars(frame)
    assert beta_of(frame, stars.take(stars.x < 0.0), 3.0) is None
    assert beta_of(frame, stars, 0.0) is None
