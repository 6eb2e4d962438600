"""The smallest terminal that has room for anything."""

from screens.lines import Line, Tone, span

MIN_WIDTH, MIN_HEIGHT = 40, 10


def is_large_enough(width: int, height: int) -> bool:
    """Whether a screen can be shown."""
    return width >= MIN_WIDTH and height >= MIN_HEIGHT


def too_small(width: int, height: int, quit_key: str) -> list[Line]:
    """What a smaller terminal is told."""
    return [
        (span(f"{width}x{height} is too small.", Tone.WARN),),
        (span(f"Needs {MIN_WIDTH}x{MIN_HEIGHT}, better 80x24."),),
        (span(f"{quit_key} quits.", Tone.DIM),),
    ]
