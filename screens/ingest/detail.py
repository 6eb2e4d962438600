"""One frame as lines: what became of it and why, what was measured, its stages, history and header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.epochs import unix_of
from core.frames.registration import registration_words
from core.text import counted
from core.vocabulary import COLOUR_TERM, ObservationState
from screens.ages import ago, length, moment, work
from screens.ingest.depth import depth_facts
from screens.ingest.view import STATE_TONES, end_of
from screens.lines import (
    Line,
    Span,
    Tinted,
    Tone,
    cells_of,
    drawn,
    folded,
    indented,
    padded,
    plain,
    shortened,
    span,
)

if TYPE_CHECKING:
    from core.cells import Look
    from core.frames.frame_detail import FrameDetail, Header, Quality
    from core.frames.queue_history import Happening

_TITLE = 13  # columns of a fact's name
_LEAST_VALUE = 12  # columns that a value needs to be worth reading in parts
_BAR = 24  # columns of the longest stage
_LEAST_IMAGE, _MOST_IMAGE = 6, 24  # rows


@dataclass(frozen=True, slots=True)
class DetailPage:
    """All that is shown of a frame."""

    now: float
    detail: FrameDetail
    header: Header | None
    look: Look
    candidates_key: str
    retry_key: str  # empty where nothing may be changed


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading."""

    title: str
    lines: list[Line]


def detail_lines(page: DetailPage, width: int, rows: int) -> tuple[list[Line], list[int]]:
    """The whole page, to be scrolled through, and the places where its sections begin.

    Parameters
    ----------
    width, rows : int
        Of the part of it that is seen at once.
    """
    lines = [*title_lines(page, width), *_summary(page, width, rows)]
    starts = [0]
    for section in (stages(page, width), happenings(page, width), dropped(page), header(page, width)):
        if section.lines:
            lines.append(())
            starts.append(len(lines))
            lines += [(span(f" {section.title}", Tone.STRONG),), *section.lines]
    return [shortened(line, width) for line in lines], starts


def title_lines(page: DetailPage, width: int) -> list[Line]:
    """Where the frame stands, in full."""
    row = page.detail.row
    state = span(f" {row.state} ", Tone.CHIP)
    since = f"  {ago(page.now - (row.finished_at or row.registered_at))}"
    lines = [shortened((state, span(f" {row.frame}", Tone.KEY, 60), span(since, Tone.DIM)), width)]
    tone = STATE_TONES.get(row.state, Tone.PLAIN)
    if row.reason:
        lines += indented((span(row.reason, tone, 1000),), width)
    for line in _advice(page):
        lines += [(span(" "), *line)] if cells_of(line) < width else indented(line, width)
    return [*lines, ()]


def _advice(page: DetailPage) -> Iterator[Line]:
    row = page.detail.row
    key, verb = (page.retry_key, " queues") if page.retry_key else ("", "`astrid queue retry` queues")
    retry: Line = (span(key, Tone.KEY), span(f"{verb} it again", Tone.DIM))
    if row.state == ObservationState.QUARANTINED:
        yield (span("It failed where it should not have; when the cause is gone, ", Tone.DIM), *retry)
    elif row.state == ObservationState.REJECTED:
        yield (span("Of no use as it is; when settings or file have changed, ", Tone.DIM), *retry)
    elif row.state == ObservationState.WAITING:
        yield (
            span("It goes on by itself once `astrid reference add` or `build` brings a reference", Tone.DIM),
        )
    elif row.state == ObservationState.QUEUED and row.not_before and row.not_before > page.now:
        yield (span(f"It is tried again in {length(row.not_before - page.now)}", Tone.DIM),)
    elif row.state == ObservationState.RUNNING:
        left = (row.lease_until or page.now) - page.now
        lease = f"lease of {length(left)} left" if left > 0 else "the lease ran out"
        yield (span(f"In the hands of {row.worker}, {lease}", Tone.DIM),)
    elif row.state == ObservationState.DONE and page.detail.candidates:
        found = counted(page.detail.candidates, "candidate")
        yield (
            span(f"{found}: ", Tone.PLAIN),
            span(page.candidates_key, Tone.KEY),
            span(" reviews them", Tone.DIM),
        )


def _summary(page: DetailPage, width: int, rows: int) -> list[Line]:
    """The thumbnail, and the facts beside or below it."""
    image = _image(page, width, rows)
    if not image:
        return [(span(" "), *line) for line in _wrapped(_facts(page, width - _TITLE - 1), width - 1)]
    columns = max(cells_of(line) for line in image) + 2
    is_narrow = width - columns < 30
    room = width - 1 - (0 if is_narrow else columns)
    facts = _wrapped(_facts(page, room - _TITLE), room)
    if is_narrow:
        return [*image, (), *((span(" "), *line) for line in facts)]
    height = max(len(image), len(facts))
    image += [()] * (height - len(image))
    facts += [()] * (height - len(facts))
    return [
        (drawn(" "), *padded(left, columns), *shortened(right, room))
        for left, right in zip(image, facts, strict=True)
    ]


def _wrapped(facts: Iterable[Line], room: int) -> list[Line]:
    """Facts, of which those that are too long go on below their values."""
    lines: list[Line] = []
    for fact in facts:
        if cells_of(fact) <= room or room - _TITLE < _LEAST_VALUE:
            lines.append(shortened(fact, room))
            continue
        title, *rest = fact
        for text in folded(plain(tuple(rest)), room - _TITLE):
            lines.append((title, drawn(text)))
            title = drawn(" " * _TITLE)
    return lines


def _image(page: DetailPage, width: int, rows: int) -> list[Line]:
    pixels = page.detail.thumbnail
    if pixels is None:
        return []
    from core.cells import draw_plane  # numpy comes with it

    height = min(max(rows - 6, _LEAST_IMAGE), _MOST_IMAGE, max((width - 34) // 2, _LEAST_IMAGE))
    panel = draw_plane(pixels, height, 2 * height, page.look)
    return [
        tuple(Tinted(run.text, run.fore, run.back, panel.cells.palette) for run in panel.cells.runs(row))
        for row in range(panel.cells.rows)
    ]


def _facts(page: DetailPage, room: int) -> Iterator[Line]:
    """What is known, one fact a line; what was not measured is left out."""
    detail, row = page.detail, page.detail.row
    path = detail.path if not detail.extension else f"{detail.path}[{detail.extension}]"
    yield _fact("file", end_of(path, room))
    what = [row.field, row.filter and f"filter {row.filter}", detail.instrument]
    if any(what):
        yield _fact("field", "  ".join(part for part in what if part))
    if row.mjd is not None:
        yield _fact("mid-exposure", f"{utc(row.mjd)}  MJD {row.mjd:.5f}")
    if row.exposure_s is not None:
        yield _fact("exposure", f"{row.exposure_s:g} s")
    if detail.size:
        wcs = "with a WCS" if detail.has_wcs else "no WCS"
        yield _fact("size", f"{detail.size[0]} × {detail.size[1]} px, {wcs}")
    if detail.position:
        yield _fact("centre", f"{detail.position[0]:.5f} {detail.position[1]:+.5f}")
    tried = counted(row.attempts, "attempt")
    if detail.interruptions:
        tried += f", {counted(detail.interruptions, 'interruption')}"
    yield _fact("tried", tried + (f", priority {row.priority}" if row.priority else ""))
    yield from _quality(page)
    yield from _subtraction(page)


def _quality(page: DetailPage) -> Iterator[Line]:
    quality = page.detail.quality
    if quality.seeing_px is not None:
        angle = "" if quality.seeing_arcsec is None else f"  {quality.seeing_arcsec:.2f}″"
        yield _fact("seeing", f"{quality.seeing_px:.2f} px{angle}")
    if quality.sky is not None:
        noise = "" if quality.sky_rms is None else f" ± {quality.sky_rms:.4g}"
        yield _fact("sky", f"{quality.sky:.5g}{noise} electrons/px")
    if quality.n_stars is not None:
        yield _fact("stars", str(quality.n_stars))
    if quality.zeropoint is not None:
        yield _fact("zeropoint", zeropoint_words(quality))
    if quality.limit_mag is not None:
        yield _fact("depth", f"{quality.limit_mag:.2f} mag, 5σ")
    if quality.masked_fraction is not None:
        yield _fact("masked", f"{quality.masked_fraction:.1%}")
    if quality.wcs_stars == 0:
        yield (*_fact("WCS", f"fits no star of {quality.wcs_catalog}"), span("  off", Tone.WARN))
    elif quality.wcs_dra_arcsec is not None and quality.wcs_ddec_arcsec is not None:
        rms = "" if quality.wcs_rms_arcsec is None else f" ± {quality.wcs_rms_arcsec:.2f}″"
        offset = f"{quality.wcs_dra_arcsec:+.2f}″ {quality.wcs_ddec_arcsec:+.2f}″{rms}"
        yield _fact("WCS", f"{offset} by {quality.wcs_stars} stars of {quality.wcs_catalog}")


def zeropoint_words(quality: Quality) -> str:
    """The zeropoint, and where it is from; one of a catalogue says whether it has a colour term."""
    system = f" {quality.mag_system}" if quality.mag_system else ""
    text = f"{quality.zeropoint:.2f} mag{system}"
    if quality.zeropoint_stars is None or quality.zeropoint_scatter is None:
        return text + (f", {quality.zeropoint_from}" if quality.zeropoint_from else "")
    stars = f"{quality.zeropoint_stars} stars of {quality.zeropoint_from}"
    without = "" if f", {COLOUR_TERM} " in (quality.zeropoint_from or "") else f", no {COLOUR_TERM}"
    return f"{text} ± {quality.zeropoint_scatter:.2f}, {stars}{without}"


def _subtraction(page: DetailPage) -> Iterator[Line]:
    made = page.detail.subtraction
    if made is None:
        return
    yield _fact("subtracted", f"{made.method} from reference {made.reference_id}: {made.reference}")
    honest = 0.9 <= made.score_std <= 1.1
    yield (*_fact("score σ", f"{made.score_std:.3f}"), *(() if honest else (span("  not 1", Tone.WARN),)))
    yield _fact("registration", registration_words(made.registration_rms_px, made.registration_scatter_px))
    yield _fact("gain ratio", f"{made.gain_ratio:.3f}")
    yield _fact("FWHM", f"{made.fwhm_new_px:.2f} px, reference {made.fwhm_ref_px:.2f} px")
    for title, line in depth_facts(made, is_plain=page.look.drawing == "ascii"):
        yield (*_fact(title, ""), *line)
    if made.limit_mag is not None:
        yield _fact("limit", f"{made.limit_mag:.2f} mag in the difference, 5σ")


def stages(page: DetailPage, width: int) -> Section:
    """The stages of the last attempt, with their times as bars."""
    last = last_attempt(page.detail.history)
    longest = max((line.seconds or 0.0 for line in last), default=0.0)
    room = min(_BAR, max(width - 50, 0))
    lines = []
    for line in last:
        share = (line.seconds or 0.0) / longest if longest else 0.0
        bar = "▇" * round(share * room) if page.look.drawing != "ascii" else "#" * round(share * room)
        bad = line.outcome != "done"
        lines.append(
            shortened(
                (
                    *padded((span(f"   {line.what}", Tone.PLAIN, 15),), 16),
                    span(f"{work(line.seconds or 0.0):>8}  ", Tone.PLAIN),
                    *padded((drawn(bar, Tone.DIM),), room + 1),
                    span(line.outcome, Tone.BAD if bad else Tone.DIM, 12),
                    span(f"  {line.reason}" if line.reason else "", Tone.PLAIN),
                ),
                width,
            )
        )
    total = sum(line.seconds or 0.0 for line in last)
    return Section(f"Stages of the last attempt, {work(total)} in all", lines)


def last_attempt(history: tuple[Happening, ...]) -> list[Happening]:
    """The stages of the newest attempt: a stage that comes again began another one."""
    last: list[Happening] = []
    for line in history:
        if line.seconds is None:
            continue
        if last and (line.attempt != last[-1].attempt or line.what in {each.what for each in last}):
            last = []
        last.append(line)
    return last


def happenings(page: DetailPage, width: int) -> Section:
    """What was out of the ordinary: failures, silences, hands laid upon it."""
    lines: list[Line] = []
    told = page.detail.row.reason  # in full, above
    for event in page.detail.history:
        if event.seconds is not None:
            continue
        attempt = f", attempt {event.attempt}" if event.attempt else ""
        start: Line = (
            span(f"   {clock(event.at)}  ", Tone.DIM),
            span(f"{event.what}{attempt}", Tone.STRONG),
            span(f"  by {event.by}" if event.by else "", Tone.DIM, 40),
            span(f"  → {event.outcome}", Tone.DIM, 20),
        )
        lines.append(shortened(start, width))
        if event.reason and event.reason != told:
            lines += [(span("    "), *line) for line in indented((span(event.reason, limit=500),), width - 6)]
    return Section("What happened to it", lines)


def dropped(page: DetailPage) -> Section:
    """Detections that no candidate was made of."""
    lines: list[Line] = [
        (span(f"   {each.times:>6}  ", Tone.PLAIN), span(f"{each.stage}: {each.cause}", Tone.PLAIN, 80))
        for each in page.detail.dropped
    ]
    return Section("Detections that were dropped", lines)


def header(page: DetailPage, width: int) -> Section:
    """The header's cards as they stand in the file."""
    found = page.header
    if found is None:
        return Section("", [])
    if found.problem is not None:
        return Section("Header", indented((span(found.problem, Tone.WARN, 300),), width))
    lines: list[Line] = [(span("   "), span(card, limit=max(width - 4, 8))) for card in found.cards]
    return Section(f"Header, {counted(len(found.cards), 'card')}", lines)


def utc(mjd: float) -> str:
    """A moment of the sky as a date and time."""
    return clock(unix_of(mjd))


def clock(at: float) -> str:
    """Unix seconds as a date and time, UTC."""
    return moment(at, "%Y-%m-%d %H:%M:%S")


def _fact(title: str, text: str) -> Line:
    return (Span(span(title.ljust(_TITLE)).text, Tone.DIM), span(text, limit=300))
