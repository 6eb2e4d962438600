"""What is to be said of the frames that a command took: once what is said of many of them."""

from collections.abc import Sequence

from astrid_tui.cli.invocation import print_table, print_text
from core.vocabulary import ObservationState

REFUSED = (ObservationState.REJECTED, ObservationState.QUARANTINED)


def print_reasons(frames: Sequence[tuple[str, str, str | None]]) -> None:
    """Print the reasons of frames, given as (name, state, reason); each frame's own are kept with it."""
    from core.operations.told_once import told_once
    from core.text import SENTENCES, safe_text

    told = told_once(frames)
    for line in told.lines:
        print_text(safe_text(line, SENTENCES))
    rest = [
        (name, state, reason)
        for (name, state, _), reason in zip(frames, told.reasons, strict=True)
        if reason or state in REFUSED
    ]
    if rest:
        print_table(("frame", "state", "reason"), rest)
