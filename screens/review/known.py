"""What is known at a candidate's place, short enough for a card."""

from collections.abc import Iterator, Mapping
from typing import Any

from screens.lines import Line, Tone, span

# As a card calls the kinds of `core.objects.known`, in the order in which they are named.
KINDS = {
    "solar_system": "SSO",
    "variable": "var",
    "star": "star",
    "galaxy": "gal",
    "transient": "trans",
    "reference": "ref",
}
_NAMED = ("solar_system", "variable", "transient")  # whose names tell something to a reader


def known_facts(known: Mapping[str, Any] | None) -> Iterator[Line]:
    """Two facts: what is near, the nearest first; and of what there is none, or nobody knows.

    A kind that no catalogue was asked for is unknown, never none.
    """
    if known is None:
        yield (span("known sky ", Tone.DIM), span("unknown", Tone.WARN), span(": not looked up", Tone.DIM))
        return
    told = {word: known[kind] for kind, word in KINDS.items() if kind in known}
    near = [(kind, known[kind]) for kind in KINDS if _status(known.get(kind)) == "match"]
    if near:
        near.sort(key=lambda pair: _distance(pair[1])[0])
        line: Line = (span("near ", Tone.DIM),)
        for number, (kind, answer) in enumerate(near):
            tone = Tone.WARN if kind == "solar_system" else Tone.PLAIN
            line = (*line, span((", " if number else "") + _words(kind, answer), tone, 40))
        yield line
    none = [word for word, answer in told.items() if _status(answer) == "none"]
    unknown = [word for word, answer in told.items() if _status(answer) not in {"match", "none"}]
    line = (span("no ", Tone.DIM), span(" ".join(none))) if none else ()
    lacking = [word for kind, word in KINDS.items() if kind != "reference" and kind in known]
    if unknown and set(lacking) <= set(unknown):  # what the reference shows is no catalogue's to tell
        line = (span("known sky ", Tone.DIM), span("unknown", Tone.WARN), span(": no catalogue", Tone.DIM))
        line = (*line, span(", no ref" if none else ""))
    elif unknown:
        comma = ", " if none else ""
        line = (*line, span(f"{comma}unknown ", Tone.WARN), span(" ".join(unknown)))
    if line:
        yield line


def _words(kind: str, answer: Mapping[str, Any]) -> str:
    words = [KINDS[kind]]
    if kind in _NAMED and answer.get("name"):
        words.append(str(answer["name"])[:16])
    words.append(_distance(answer)[1])
    if isinstance(answer.get("mag"), int | float):
        words.append(f"{answer['mag']:.1f}")
    return " ".join(word for word in words if word)


def _distance(answer: Mapping[str, Any]) -> tuple[float, str]:
    arcsec, px = answer.get("distance_arcsec"), answer.get("distance_px")
    if isinstance(arcsec, int | float):
        return float(arcsec), f"{arcsec:.1f}″"
    return (float(px), f"{px:.1f} px") if isinstance(px, int | float) else (float("inf"), "")


def _status(answer: object) -> object:
    return answer.get("status") if isinstance(answer, Mapping) else None
