"""Which versions of its members the ensemble was weighed with: its weights hold for those alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENSEMBLE = "ensemble"
OF_FRAMES = ("unet",)  # see whole frames, of which the queue keeps cutouts alone


def weighed_with(description: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the members by name, as an ensemble's description records them."""
    trained = description.get("trained")
    members = trained.get("members") if isinstance(trained, Mapping) else None
    return {str(k): str(v) for k, v in members.items()} if isinstance(members, Mapping) else {}


def differing(members: Mapping[str, str], used: Mapping[str, str]) -> str | None:
    """A sentence that names the members of which another version scores now; none where there are none.

    Parameters
    ----------
    members : mapping of str to str
        Digests of those that the ensemble was weighed with.
    used : mapping of str to str
        Digests of those that score; what does not score is no other version.
    """
    others = [name for name, digest in members.items() if used.get(name, digest) != digest]
    if not others:
        return None
    return (
        f"The ensemble was weighed with other versions of {', '.join(others)}, so its probabilities are not "
        "calibrated: `astrid models train ensemble` weighs anew."
    )
