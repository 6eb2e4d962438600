"""From where the telescopes of surveys see the sky: a near body stands elsewhere for each of them.

Degrees north and east, as the Minor Planet Center's list of observatories has them. A kilometre of the ground
is a milliarcsecond at one au.
"""

Site = tuple[float, float]

PALOMAR = (33.356, -116.863)  # I41
SITES: dict[str, Site] = {
    "ztf": PALOMAR,
    "winter": PALOMAR,
    "pgir": PALOMAR,
    "rubin": (-30.2446, -70.7494),  # X05, Cerro Pachon
    "decam": (-30.1697, -70.8065),  # W84, Cerro Tololo
}
# ATLAS is several telescopes: the first two figures of its exposures' names say which. Those of Haleakala are
# what the headers of its cutouts say.
ATLAS = {
    "01": (19.5362, -155.5763),  # T08, Mauna Loa
    "02": (20.7075, -156.2570),  # T05, Haleakala
    "03": (-32.3783, 20.8105),  # M22, Sutherland
    "04": (-30.4711, -70.7634),  # W68, El Sauce
}


def site_of(source: str, external_id: str) -> Site | None:
    """Where an alert was seen from; none where that is not known.

    Parameters
    ----------
    source : str
        The survey.
    external_id : str
        Its own id of the alert: ATLAS calls them by the exposure, such as ``02a59543o0040o_006230``.
    """
    if source == "atlas":
        return ATLAS.get(external_id[:2]) if external_id[2:3].isalpha() else None
    return SITES.get(source)
