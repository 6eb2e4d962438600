"""A word that was typed to a question which is not asked: its letters are keys of nobody.

Who marks, presses the key that asks for one verdict on all marked cards, and types that verdict, may do so
as one movement. Where the question is refused, because nothing is marked, the rest of it would be keys of
the card: ``u`` in ``artefact`` or a note would take the last verdict back. So would those of a filter that
is typed before the store is open: a verdict, where the card comes meanwhile, or ``q``.
"""

_STARTS = "#-(@|"  # of a tag and of filters
PAUSE_S = 1.0  # who has not typed on for so long has seen what was said, and means the next key


class StrayWord:
    """Tells the keys of such a word: it ends with ``enter``, ``escape``, a key of no letter, or a pause."""

    def __init__(self) -> None:
        self._typed_at: float | None = None
        self._is_begun = False

    def begin(self, at: float) -> None:
        """A question was refused.

        Parameters
        ----------
        at : float
            When the key for it came, in seconds.
        """
        self._typed_at, self._is_begun = at, False

    def takes(self, key: str, character: str | None, at: float) -> bool:
        """Whether a key that came then belongs to the word.

        Parameters
        ----------
        key : str
            Textual's name of it.
        character : str or None
            What it prints.
        at : float
            In seconds.
        """
        before, self._typed_at = self._typed_at, None
        is_begun, self._is_begun = self._is_begun, True
        if before is None or at - before > PAUSE_S:
            return False
        printed = character if character is not None and character.isprintable() else ""
        if printed and not is_begun and not (printed.isalnum() or printed in _STARTS):
            return False  # no word begins so, but the key for a filter or a command is such
        if printed or key == "backspace":
            self._typed_at = at
            return True
        return key in {"enter", "escape"}
