"""What is known of a candidate, as short labelled facts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from core.epochs import MJD_0
from core.frames.registration import registration_words
from core.line_words import line_words
from core.models.names import BEST_FIRST, MOVED, ODD_BY
from core.moon import moon
from core.orientation import described
from core.places.cut_words import measured_words
from core.text import counted, significant
from core.vocabulary import DOUBT, LABELS, OWN, Label, ReviewState, mask_words
from screens.lines import Line, Tone, cells_of, indented, padded, shortened, span, wrapped
from screens.review.known import known_facts
from screens.review.said import past_line

if TYPE_CHECKING:
    from core.database.tables import Tracklet
    from core.review.cards import Card

PAST = ":past"  # measures earlier frames
NAMED = 3  # references in a fact; the details name all
_COLUMN = 40  # cells of one column of facts, at least
_STATE_TONES = {ReviewState.REAL: Tone.GOOD, ReviewState.BOGUS: Tone.BAD}

_NONE: Line = (span("  none", Tone.DIM),)


def fact_lines(card: "Card", width: int, rows: int, columns: int = 0, *, past: str = PAST) -> list[Line]:
    """The first facts that fit, in so many columns, else as many as fit, read downwards pair by pair.

    ``past`` is what measures the frames from before the object was known; empty where nothing may.
    """
    columns = columns or max(width // _COLUMN, 1)
    cell = width // columns
    facts = list(_facts(card, cell, past=past))[: rows * columns]
    spare = rows * columns - len(facts)
    if spare > 1 and columns > 3:  # name and scores, which come first, have two cells each if they need them
        facts = list(_facts(card, cell, 2 * cell, past=past))
    lines: list[Line] = []
    line: Line = ()
    place = 0
    for fact in facts:  # one that is too long takes two cells while some are left over
        cells = 1 + (spare > 0 and place < columns - 1 and cells_of(fact) >= cell)
        line = (*padded(line, place * cell), *shortened(fact, cells * cell - 1))
        place, spare = place + cells, spare + 1 - cells
        if place == columns:
            lines.append(line)
            line, place = (), 0
    if place:
        lines.append(line)
    return [*lines, *[()] * (rows - len(lines))]


def _facts(card: "Card", cell: int = _COLUMN, scores: int = 0, *, past: str = PAST) -> Iterator[Line]:
    """All facts, the most telling first; a long name takes what the standing leaves of its cell.

    Scores may take another room than a cell.
    """
    record, frame = card.candidate, card.frame
    stands = standing(card)
    room = max(cell - 1 - sum(len(piece.text) for piece in stands), 26)
    yield (span(card.name, Tone.STRONG, room), *stands)
    yield _with_scores(_labelled("snr", _signed(record["snr"], "σ")), card, (scores or cell) - 1)
    yield from ((span(words, Tone.WARN),) for words in _to_be_heeded(card))
    yield _position(card)
    yield _brightness(card)
    yield from known_facts(card.known)
    if card.tracklet is not None:
        yield _moving(card.tracklet)
        if (words := judged_as_one(card)) is not None:
            yield (span(words, Tone.WARN),)
    if card.earlier_frames:
        yield _earlier(card.earlier_frames, past)
    yield _labelled("seen", _seen(card))
    if flags := mask_words(record["mask_flags"]):
        yield (span("touches ", Tone.DIM), span(flags, Tone.WARN))
    if doubts := doubt_words(card.features):
        yield (span("doubtful ", Tone.DIM), span(doubts, Tone.WARN))
    is_alert = record["source"] != OWN
    if not is_alert:
        yield _labelled("depth", _depth(card))
    yield _labelled("sky", _sky(card))
    if is_alert and not record["frame"]:
        yield _labelled("survey", record["source"])
    else:
        yield _labelled(record["source"] if is_alert else "frame", record["frame"] or "–")
    yield _labelled("flux", _flux(card))
    yield _labelled("taken", utc(record["mjd"]))
    if is_alert:  # its frame and its subtraction are the survey's, and not here
        return
    yield _labelled(
        "fwhm", f"{_number(frame.fwhm_new_px, 2)} px, reference {_number(frame.fwhm_ref_px, 2)} px"
    )
    yield _labelled(
        "subtraction",
        f"{record['method'] or '–'}, score σ {_number(frame.score_std, 3)}",
    )
    if frame.registration_rms_px is not None:
        words = registration_words(frame.registration_rms_px, frame.registration_scatter_px)
        yield _labelled("registration", words)
    yield _labelled("in frame", _pixel(record["x_frame"], record["y_frame"]))


def _to_be_heeded(card: "Card") -> Iterator[str]:
    to_sky = card.cutouts.to_sky if card.cutouts else None
    if words := line_words(card.features, to_sky, card.frame.exposure_s):
        yield words
    if card.taken_back_by:
        yield f"{card.taken_back_by} took this detection back"
    if card.seen_again:
        yield card.seen_again
    if card.in_references:
        yield in_references(card.in_references)
    if refused := _refused(card):
        yield refused


def detail_lines(card: "Card", width: int, curve: Sequence[Line] = (), *, past: str = PAST) -> list[Line]:
    """Everything, whole: facts, the light curve as it was drawn, scores, features, epochs and history."""
    lines: list[Line] = [(span("Facts", Tone.STRONG),)]
    lines += [(span("  "), *fact) for fact in _facts(card, width, past=past)]
    lines += [(span("  "), *_labelled(label, value)) for label, value in _further(card) if value is not None]
    if card.in_references:
        from core.objects.reference_light import told  # the store comes with it: not before the first paint

        lines.append((span("  "), span(told(card.in_references), Tone.WARN, 1000)))
    lines += curve
    lines += _known_lines(card)
    lines += _score_lines(card, width)
    features = {name: value for name, value in card.features.items() if not name.startswith(MOVED)}
    lines += [(), (span("Features", Tone.STRONG),)]
    lines += [_valued(name, value) for name, value in sorted(features.items())] or [_NONE]
    lines += [(), (span("Detections, newest first", Tone.STRONG),)]
    for epoch in card.epochs:
        mark = "▸ " if epoch.candidate_id == card.candidate_id else "  "
        mag = f"  mag {epoch.mag:.2f}" if epoch.mag is not None else ""
        lines.append(
            (span(mark, Tone.KEY), span(utc(epoch.mjd)), span(f"  {epoch.filter or '–'}  ", limit=16),
             span(_signed(epoch.snr, "σ")), span(mag))
        )  # fmt: skip
    lines += [(), (span("Verdicts and notes, newest first", Tone.STRONG),)]
    lines += [past_line(past) for past in card.history] or [_NONE]
    return [part for line in lines for part in wrapped(line, width, indent=4)]


def _further(card: "Card") -> list[tuple[str, str | None]]:
    """What the card itself has no room for; a packet of a survey does not tell all of it."""
    record, frame = card.candidate, card.frame
    on_sky = card.ra is not None and card.dec is not None
    return [
        ("degrees", f"{_number(card.ra, 6)} {_number(card.dec, 6)}" if on_sky else None),
        ("this detection", f"{_number(record['ra'], 6)} {_number(record['dec'], 6)}" if on_sky else None),
        ("on the reference's grid", None if record["x"] is None else _pixel(record["x"], record["y"])),
        ("file", frame.path),
        ("field", frame.field),
        ("exposure", None if frame.exposure_s is None else f"{frame.exposure_s:.1f} s"),
        *(
            (f"doubtful {cause}:", None if value is None else measured_words(cause, value))
            for cause, value in _doubts(card.features)
        ),
        ("masked", None if frame.masked_fraction is None else _percent(frame.masked_fraction)),
        ("images", _images(card)),
    ]


def _score_lines(card: "Card", width: int) -> list[Line]:
    """Each score and what it did to the ensemble; also what moved that without being one, as |snr| does."""
    others = (name.removeprefix(MOVED) for name in card.features if name.startswith(MOVED))
    beside = {"snr": abs(card.candidate["snr"])}
    told = {**{name: beside.get(name) for name in others}, **card.scores}
    lines: list[Line] = [(), (span("Scores", Tone.STRONG),)]
    for name, value in best_first(told):
        moved = card.features.get(f"{MOVED}{name}")
        said = () if moved is None else (span(f"  moved the ensemble by {moved:+.2f}", Tone.DIM),)
        lines.append((*padded(_valued(name, value), 36), *said))
    if not told:
        lines.append(_NONE)
    if card.frame.scored_by:
        lines += indented((span(f"scored by {card.frame.scored_by}", Tone.DIM, 1000),), width)
    return lines


def _valued(name: str, value: float | None) -> Line:
    return (*padded((span("  "), span(name, Tone.DIM, 26)), 30), span(_number(value, 4)))


def in_references(references: Sequence[int], objects: int = 1) -> str:
    """Which references may hold the light of what was judged real, in few words."""
    rest = f" and {len(references) - NAMED} more" if len(references) > NAMED else ""
    numbers = ", ".join(map(str, references[:NAMED])) + rest
    whose = "its light" if objects == 1 else "light of some"
    return f"{whose} may be in {'reference' if len(references) == 1 else 'references'} {numbers}"


def _images(card: "Card") -> str:
    cutouts = card.cutouts
    if cutouts is None:
        return "none"
    height, width = cutouts.new.shape
    if cutouts.to_sky:
        lie = described(cutouts.to_sky)
    elif cutouts.pixel_arcsec:
        lie = f"{cutouts.pixel_arcsec:.3g}″/px, no WCS: north unknown"
    else:
        lie = "no WCS: scale and north unknown"
    return f"{width} x {height} px, {lie}"


def _known_lines(card: "Card") -> list[Line]:
    from core.objects.known import known_lines  # the store comes with it: not before the first paint

    lines: list[Line] = [(), (span("Known sky", Tone.STRONG),)]
    if card.known is None:
        return [*lines, (span("  unknown: not looked up; `astrid catalog match` does it", Tone.DIM),)]
    for kind, sentence in known_lines(card.known):
        lines.append((*padded((span("  "), span(kind, Tone.DIM)), 16), span(sentence)))
    return lines


def _moving(tracklet: "Tracklet") -> Line:
    hours = (tracklet.last_mjd - tracklet.first_mjd) * 24.0
    rate = f"{tracklet.rate_arcsec_hour:.3g}″/h"
    words = f"{rate} PA {round(tracklet.position_angle) % 360}°, seen {tracklet.n}× in {hours:.1f} h"
    return (span("moving ", Tone.WARN), span(words))


def judged_as_one(card: "Card") -> str | None:
    """What a verdict falls on where that is more than one object, in words."""
    if card.tracklet is None or len(card.objects) < 2:
        return None
    return f"{len(card.objects)} objects of tracklet {card.tracklet.id}: one card"


def standing(card: "Card") -> Line:
    """What stands of an object: nothing, or by whom it was judged, and which expert it awaits."""
    last = card.last_decision
    asked = (span(f"  awaits {card.expert}", Tone.WARN, 24),) if card.expert else ()
    if last is None or last.label is None:
        return asked
    if asked and last.label == Label.ASK_EXPERT:
        return (*asked, span(f", asks {last.reviewer}", Tone.DIM, 16))
    tone = _STATE_TONES.get(LABELS[Label(last.label)].review_state, Tone.WARN)
    return (span("  "), span(last.label, tone), span(f" by {last.reviewer}", Tone.DIM, 14), *asked)


def doubt_words(features: Mapping[str, float | None]) -> str:
    """The cuts that would have dropped a candidate were it less significant, with what they go by."""
    return ", ".join(f"{cause} {_number(value, 2)}" for cause, value in _doubts(features))


def _doubts(features: Mapping[str, float | None]) -> list[tuple[str, float | None]]:
    return sorted(
        (name.removeprefix(DOUBT), value) for name, value in features.items() if name.startswith(DOUBT)
    )


def sexagesimal(ra: float, dec: float) -> str:
    """Hours, minutes, seconds and degrees, minutes, seconds, to a tenth of an arcsecond."""
    seconds = round(ra % 360 / 15 * 360000) % (24 * 360000)
    tenths = round(abs(dec) * 36000)
    sign = "-" if dec < 0 else "+"
    hours = f"{seconds // 360000:02d}:{seconds // 6000 % 60:02d}:{seconds % 6000 / 100:05.2f}"
    return f"{hours} {sign}{tenths // 36000:02d}:{tenths // 600 % 60:02d}:{tenths % 600 / 10:04.1f}"


def utc(mjd: float | None) -> str:
    """A date and time of day; the number itself where it is no date."""
    if mjd is None:
        return "–"
    try:
        return (MJD_0 + timedelta(days=mjd)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"MJD {mjd:g}"


def _position(card: "Card") -> Line:
    if card.ra is not None and card.dec is not None:
        return (span(sexagesimal(card.ra, card.dec)),)
    record = card.candidate
    return (span(f"pixel {_pixel(record['x'], record['y'])}"), span(" no WCS", Tone.WARN))


def _with_scores(line: Line, card: "Card", room: int) -> Line:
    """A line and as many whole scores after it as fit: half a number would mislead."""
    models = [(name, value) for name, value in best_first(card.scores) if value is not None]
    if not models:
        score = _number(card.candidate["score"], 2)
        return (*line, span("  score ", Tone.DIM), span(score), span(", no model yet", Tone.DIM))
    for place, (name, value) in enumerate(models):  # a survey's have its name before theirs, such as ztf:drb
        longer = (*line, span("  "), span(name, Tone.DIM, 20), span(f" {value:.2f}"))
        last = place == len(models) - 1
        if place and cells_of(longer) > room - (0 if last else 2):
            return (*line, span(" …", Tone.DIM))
        line = longer
    return line


def best_first(scores: Mapping[str, float | None]) -> list[tuple[str, float | None]]:
    """The scores, that which orders the queue first; how odd it is comes last."""
    ranks = {name: place for place, name in enumerate(BEST_FIRST)}
    return sorted(scores.items(), key=lambda each: (each[0] in ODD_BY, ranks.get(each[0], len(ranks))))


def _refused(card: "Card") -> str:
    """Which model could not score it, and why; empty where all could."""
    return (card.frame.scored_by or "").partition(". ")[2]


def _brightness(card: "Card") -> Line:
    record = card.candidate
    if record["mag"] is None:
        return (*_labelled("mag", "no zeropoint"), span(f"  {record['filter'] or ''}", limit=12))
    error = f" ±{record['mag_err']:.2f}" if record["mag_err"] is not None else ""
    sign = " fading" if (record["flux"] or 0) < 0 else ""
    system = f" {record['mag_system'] or ''} {record['filter'] or ''}"
    return (*_labelled("mag", f"{record['mag']:.2f}{error}"), span(system, limit=16), span(sign, Tone.WARN))


def _flux(card: "Card") -> str:
    record = card.candidate
    error = f" ±{significant(record['flux_err'])}" if record["flux_err"] is not None else ""
    return f"{_signed(record['flux'])}{error} {record['flux_unit'] or ''}"


def _seen(card: "Card") -> str:
    dates = [epoch.mjd for epoch in card.epochs]
    dates += [  # and what only the history in a survey's packets tells
        point.mjd
        for point in card.light_curve
        if point.source != OWN and point.candidate_id is None and not point.is_limit
    ]
    limits = sum(point.is_limit for point in card.light_curve)
    times = f"{len(dates)}×" if len(dates) != 1 else "once"
    span_days = max(dates) - min(dates) if dates else 0.0
    length = f"{span_days:.2f} d" if span_days >= 0.9995 else f"{24 * span_days:.1f} h"  # as of what moves
    within = f" in {length}" if len(dates) > 1 else ""
    return f"{times}{within}" + (f", {counted(limits, 'limit')}" if limits else "")


def _earlier(frames: int, past: str) -> Line:
    """That the light curve begins where the object was found, and what has it begin sooner."""
    from core.review.cards import MOST_EARLIER  # the store comes with it: not before the first paint

    many = f"{frames}+ earlier frames" if frames >= MOST_EARLIER else counted(frames, "earlier frame")
    told = span(f"{many} not measured", Tone.WARN)
    return (told, span(": "), span(past, Tone.KEY)) if past else (told,)


def _depth(card: "Card") -> str:
    frame = card.frame
    parts = []
    if frame.limit_mag is not None:
        parts.append(f"5σ {frame.limit_mag:.2f}")
    if frame.m50 is not None:
        parts.append(f"m50 {frame.m50:.2f}")
    elif frame.snr50 is not None:
        parts.append(f"half found at {frame.snr50:.1f}σ")
    if frame.seeing_arcsec is not None:
        parts.append(f"seeing {frame.seeing_arcsec:.1f}″")
    elif frame.seeing_px is not None:
        parts.append(f"seeing {frame.seeing_px:.1f} px")
    return ", ".join(parts) or "–"


def _sky(card: "Card") -> str:
    """How bright the sky was beside it, and through how much air it was seen."""
    parts = []
    if card.ra is not None and card.dec is not None:
        shining = moon(card.candidate["mjd"])
        away = shining.distance_deg(card.ra, card.dec)
        parts.append(f"moon {away:.0f}° away, {100 * shining.lit:.0f} % lit")
    if (airmass := card.frame.airmass) is not None:
        parts.append(f"airmass {airmass:.2f}")
    return ", ".join(parts) or "moon and airmass unknown"


def _labelled(label: str, value: object) -> Line:
    return (span(f"{label} ", Tone.DIM), span(value))


def _pixel(x: float | None, y: float | None) -> str:
    return "–" if x is None or y is None else f"{x:.1f}, {y:.1f}"


def _signed(value: float | None, unit: str = "") -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:+.1f}{unit}" if abs(value) < 1e5 else f"{value:+.3e}{unit}"


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "–"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
