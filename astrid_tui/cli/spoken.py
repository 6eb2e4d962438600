"""A card in words alone, for a screen reader: no glyphs, no abbreviations, nothing cut."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from core.vocabulary import OWN

if TYPE_CHECKING:
    from core.objects.light_curve import LightCurvePoint
    from core.review.cards import Card

_WORDS = {
    "″": " arcsec", "′": " arcmin", "°": " degrees", "σ": " sigma", "±": " plus or minus ", "×": " times",
    "▸": "shown: ", "…": "...", "−": "-", "≥": " at least ", "≤": " at most ", "µ": "micro", "μ": "micro",
}  # fmt: skip
_GLYPH = re.compile("[" + "".join(_WORDS) + "]")
_ALONE = re.compile(r"(?<![^\s(])–(?![^\s,;)])")
_ARCSEC = re.compile(r'(?<=\d)"')
_WIDTH, _FACTS = 400, 30  # one fact a line, whole


def spoken(text: str) -> str:
    """A line as it can be read aloud."""
    text = _ARCSEC.sub(" arcsec", _ALONE.sub("unknown", text)).replace("–", "-")
    return " ".join(_GLYPH.sub(lambda match: _WORDS[match[0]], text).split())


def past(card: "Card") -> str:
    """What measures the frames from before a card's object was known, where no console is."""
    return f"`astrid objects forced {card.object_id}`"


def card_lines(card: "Card") -> Iterator[str]:
    """What a card says: facts, all scores, what is known there, the light curve, tags and the last note."""
    from screens.lines import plain
    from screens.review.facts import best_first, fact_lines
    from screens.review.known import known_facts
    from screens.review.said import WHOLE, last_note

    # Their abbreviations stand for what is told in full below.
    short = {plain(line).strip() for line in known_facts(card.known)}
    lines = [plain(line).strip() for line in fact_lines(card, _WIDTH, _FACTS, columns=1, past=past(card))]
    facts = [text for text in lines if text and text not in short]
    yield from facts
    scores = [f"{name} {value:.2f}" for name, value in best_first(card.scores) if value is not None]
    further = [each for each in scores if not any(each in text for text in facts)]
    if further:
        yield f"further scores: {', '.join(further)}"
    yield from _known(card)
    yield from curve_lines(card.light_curve)
    if card.expert is not None:
        yield f"awaits the expert {card.expert}"
    if card.tags:
        yield f"tags: {', '.join(card.tags)}"
    if note := plain(last_note(card, WHOLE)).strip():
        yield note


def curve_lines(points: Sequence["LightCurvePoint"]) -> Iterator[str]:
    """A light curve in words, one line for each band of each source."""

    def band(point: "LightCurvePoint") -> tuple[str, str]:
        return point.source, point.filter or ""

    for (source, name), part in groupby(sorted(points, key=lambda each: (*band(each), each.mjd)), key=band):
        curve = list(part)
        seen = [point for point in curve if not point.is_limit]
        whose = "" if source == OWN else f" of {source}"
        head = f"light curve{whose}, {f'filter {name}' if name else 'no filter'}"
        limits = [point for point in curve if point.is_limit]
        told = [_detections(seen)] if seen else ["never detected"]
        if limits:
            before = [point for point in limits if not seen or point.mjd < seen[0].mjd]
            told.append(f"{len(limits)} limit{'s' if len(limits) > 1 else ''}")
            if before and (last := before[-1]).mag is not None:
                when = f", {seen[0].mjd - last.mjd:.2f} days before" if seen else ""
                told.append(f"fainter than magnitude {last.mag:.2f}{when}")
        yield f"{head}: {'; '.join(told)}"


def _detections(seen: "Sequence[LightCurvePoint]") -> str:
    count = f"{len(seen)} detection{'s' if len(seen) > 1 else ''}"
    days = f" in {seen[-1].mjd - seen[0].mjd:.2f} days" if len(seen) > 1 else ""
    measured = [point for point in seen if point.mag is not None]
    if not measured:
        return f"{count}{days}, no magnitudes"
    fading = sum((point.flux or 0) < 0 for point in measured)
    first, last = measured[0].mag or 0.0, measured[-1].mag or 0.0
    words = f"{count}{days}, magnitude {first:.2f}"
    if len(measured) > 1:
        brightest = min(point.mag or 0.0 for point in measured)
        words += f" first, {last:.2f} last, {brightest:.2f} at its brightest"
    return words + (f", {fading} fainter than the reference" if fading else "")


def _known(card: "Card") -> Iterator[str]:
    from core.objects.known import known_lines

    if card.known is None:
        yield "known sky: unknown, it was not looked up"
        return
    for kind, sentence in known_lines(card.known):
        yield f"{kind}: {sentence}"
