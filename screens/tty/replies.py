"""Terminal replies and pasted text, kept apart from keys.

Textual reads replies that it does not know as if they were typed: the ``ESC [ ? 6 2 ; 4 c`` with which a
terminal names its kind ends in a ``c``, which is a verdict. So whatever comes from the terminal goes
through here first, and only what may be a key, the mouse or a report that Textual understands goes on.
Sequences are those of ECMA-48 and xterm's ctlseqs.
"""

import re
from dataclasses import dataclass, field

ESCAPE_S = 0.1  # an escape that is followed by nothing for so long was the key
SPLIT_S = (
    1.0  # so long may a sequence be on its way in pieces; then it is dropped, and its rest when it comes
)
LONGEST = 4096

_ESC = "\x1b"
_PASTE_START, _PASTE_END = "\x1b[200~", "\x1b[201~"
_CSI = re.compile(r"\x1b\[([<=>?]?)([0-9:;]*)([ -/]*)([@-~])")
_CSI_PART = re.compile(r"\x1b\[[0-?]*[ -/]*\Z")
_CSI_CUT_OFF = re.compile(r"\x1b\[[0-?]+[ -/]*(?=\x1b)")
_STRING = re.compile(r"\x1b[P_\]^X].*?(?:\x1b\\|\x07|\x9c)", re.DOTALL)
_STRING_STARTS = ("\x1bP", "\x1b_", "\x1b]", "\x1b^", "\x1bX")
_REST_OF_KEY = re.compile(r"\[[0-9;]*[A-Z~]|O[A-Z]")
_ESCAPE_KEY = "\x1b[27u"  # Textual's word for the key alone, whatever comes behind it
_ONE_KEY = frozenset("bf\t\r\n\x08\x7fO\\")  # with an escape one key: a word back or on, deleted; a new line
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(slots=True)
class ReplyFilter:
    """Takes apart what the terminal sends.

    Attributes
    ----------
    replies : list of str
        Whole replies that were taken out, oldest first; whoever reads them empties it.
    pending : str
        The beginning of a sequence whose rest has not come.
    """

    replies: list[str] = field(default_factory=list)
    pending: str = ""
    _pasting: bool = False
    _dropped: str = ""  # the beginning of a sequence that was given up
    _is_key_past: bool = False  # the escape key was told last; it may have been the beginning of another

    def feed(self, data: str) -> str:
        """What of the input Textual may see."""
        if self._dropped:
            data = self._without_rest(data)
        elif self._is_key_past and (found := _REST_OF_KEY.match(data)):  # at once, as nobody types it
            data = data[found.end() :]
        self._is_key_past = False
        rest, self.pending = self.pending + data.replace("\x9b", "\x1b["), ""
        passed: list[str] = []
        while rest:
            if self._pasting:
                rest = self._paste(rest, passed)
            elif not rest.startswith(_ESC):
                text, escape, after = rest.partition(_ESC)
                passed.append(text)
                rest = escape + after
            else:
                rest = self._sequence(rest, passed)
        return "".join(passed)

    def give_up(self) -> bool:
        """The rest of what is pending will not come; whether it was the escape key."""
        if self._pasting:  # the end of a paste is waited for: without it, its rest would be typed
            return False
        self._is_key_past = was_key = self.pending == _ESC
        self._dropped = "" if was_key else self.pending
        self.pending = ""
        return was_key

    @property
    def patience_s(self) -> float:
        """How long the rest of what is pending may take."""
        return ESCAPE_S if self.pending == _ESC else SPLIT_S

    def _without_rest(self, data: str) -> str:
        """Input after a sequence that was given up: what may belong to it is not typed either.

        A key that is pressed then may be lost with it. One that comes alone ends a string that has no end.
        """
        dropped, self._dropped = self._dropped, ""
        if data.startswith(_ESC) and not data.startswith("\x1b\\"):
            return data
        whole = dropped + data
        is_string = dropped.startswith(_STRING_STARTS)
        if found := (_STRING if is_string else _CSI).match(whole):
            if found.group() == _PASTE_START:  # what follows was pasted, however late
                return whole
            return whole[max(found.end(), len(dropped)) :]
        if len(whole) <= LONGEST and (len(data) > 1 if is_string else _CSI_PART.match(whole)):
            self._dropped = whole
            return ""
        return data

    def _paste(self, rest: str, passed: list[str]) -> str:
        """Pasted text without control characters: of an escape in it Textual would make keys."""
        text, end, after = rest.partition(_PASTE_END)
        if not end:  # the end itself may be cut
            start = text.rfind(_ESC)
            if start >= 0 and _PASTE_END.startswith(text[start:]):
                text, self.pending = text[:start], text[start:]
        passed.append(_CONTROLS.sub("", text))
        if end:
            passed.append(end)
            self._pasting = False
        return after

    def _sequence(self, rest: str, passed: list[str]) -> str:
        """Take one sequence off what begins with an escape."""
        if rest.startswith(_STRING_STARTS):
            if whole := _STRING.match(rest):
                self.replies.append(whole.group())
                return rest[whole.end() :]
            if len(rest) <= LONGEST:
                self.pending = rest
            return ""
        if whole := _CSI.match(rest):
            if is_reply(*whole.groups()):
                self.replies.append(whole.group())
            else:
                passed.append(whole.group())
                self._pasting = whole.group() == _PASTE_START
            return rest[whole.end() :]
        if rest == _ESC or (_CSI_PART.match(rest) and len(rest) <= LONGEST):
            self.pending = rest
            return ""
        if cut_off := _CSI_CUT_OFF.match(rest):  # an escape ends what it comes into
            return rest[cut_off.end() :]
        if rest[1] not in _ONE_KEY:
            # In one piece, as a line that lags or tmux sends them: Textual would make one key of both, which
            # is none of ours. A letter may have come with Alt as well, and then is no verdict.
            key, length = _ESCAPE_KEY, 2 if rest[1].isalpha() else 1
        else:
            key, length = rest[:2], 2
        passed.append(key)
        return rest[length:]


def is_reply(private: str, parameters: str, between: str, final: str) -> bool:
    """Whether a control sequence (CSI) is a reply that Textual would take for keys.

    Attributes, status and size reports are; the mouse, focus, modes and the cursor's position are not.
    """
    if private == "<":
        return final not in "Mm"
    if private:
        return (private, between, final) != ("?", "$", "y")
    if final == "t":
        return not parameters.startswith("48;")
    return bool(parameters) and final in "cnx" and not between
