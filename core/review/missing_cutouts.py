"""Why images of a candidate are not there, and how they come again, in one sentence each."""

from __future__ import annotations

from core.database.tables import Difference


def damaged(observation_id: int | None) -> str:
    """What is said of cutouts that cannot be read: of a frame of ours, or else of a survey's packet."""
    again = (
        "`astrid ingest` of its packet brings them again"
        if observation_id is None
        else f"`astrid queue retry {observation_id}` and then `astrid run` make them again"
    )
    return f"The store's copy of the images is damaged: {again}."


def removed(difference: Difference) -> str:
    """What is said of a superseded detection of ours without cutouts, which each had once."""
    return (
        "The images were removed as superseded: with the settings of then and reference "
        f"{difference.reference_id}, `astrid queue retry {difference.observation_id}` and then `astrid run`"
        " make them again."
    )
