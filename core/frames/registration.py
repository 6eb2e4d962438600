"""How well a frame lies on its reference, in words."""

LEAST_PX = 0.01  # what two digits can tell from nothing


def registration_words(rms_px: float, scatter_px: float | None) -> str:
    """The scatter of matched stars, and what of it is more than the noise of their centroids.

    Parameters
    ----------
    rms_px : float
        Per axis, after that noise is taken off; 0 where there is no more than that.
    scatter_px : float or None
        Per axis, noise included; none where it was not kept.
    """
    if scatter_px is None:
        return f"{beyond_noise(rms_px)} px beyond noise"
    return f"{scatter_px:.2f} px, of it {beyond_noise(rms_px)} beyond noise"


def beyond_noise(rms_px: float) -> str:
    """A scatter less its noise, which is never measured to be nothing."""
    return f"< {LEAST_PX:.2f}" if rms_px < LEAST_PX else f"{rms_px:.2f}"
