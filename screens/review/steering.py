"""What can be typed on the review screen: filters with help, orders, a given time, notes with tags, bulk."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.text import counted, safe_text
from core.vocabulary import LABELS, Label, verdicts_told
from screens.frame.commands import CommandRefused, Words
from screens.lines import Line, Tone, span

if TYPE_CHECKING:
    from core.review.agreement import Pair
    from core.review.filter_help import Known
    from core.review.pace import Cut, Pace, Share

FEW = 10  # verdicts at once that ``enter`` will do for
NAMED_ORDERS = ("score", "brightness", "age", "uncertainty", "anomaly")
MODEL_ORDERS = ("uncertainty", "anomaly")  # what has no value there is left out
_SHOWN = 10  # completions
_FEW_CELLS = 8  # too few to show any of them


@dataclass(frozen=True, slots=True)
class Remark:
    """A note as it was typed: words that begin with # are tags as well."""

    note: str | None
    tags: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "Remark":
        """Take the tags from the note, small letters, each once; tags alone are no note."""
        words = text.split()
        found = [word for word in words if len(word) > 1 and word[0] == "#"]
        tags = tuple(dict.fromkeys(word[1:].lower() for word in found))
        return cls(text.strip() if len(found) < len(words) else None, tags)


def filter_hint(line: str, known: "Known", width: int) -> Line:
    """What a filter means that is being typed, and what can come next: of values without their name."""
    from core.review.filter_help import completions, explained

    told = explained(line, known)
    found = [each.rpartition(" ")[2].lstrip("-(") for each in completions(line, known)[:_SHOWN]]
    if any(":" in each and told.endswith(f": {each}") for each in found):  # its example is among them
        told = told.rpartition(" ")[0]
    offered = "  ".join(each.partition(":")[2] or each for each in found)
    room = width - len(told) - 3  # what can come next fills the line; what it means takes more if needed
    meant = span(told, Tone.PLAIN, 400)
    return (meant, span("  "), span(offered, Tone.DIM, room)) if offered and room > _FEW_CELLS else (meant,)


def label_words(line: str) -> list[str]:
    """The labels that a line may become."""
    return [label.value for label in LABELS if label.value.startswith(line.strip().lower())]


def label_of(text: str) -> Label:
    """The label that was typed, by its name or its key.

    Raises
    ------
    CommandRefused
    """
    typed = text.strip()
    for label, facts in LABELS.items():
        if typed.lower() == label.value or typed == facts.key:
            return label
    raise CommandRefused(f"'{safe_text(typed, 40)}' is no verdict: {verdicts_told()}")


def minutes_of(words: Words) -> float | None:
    """The time that was typed; none for ``off``.

    Raises
    ------
    CommandRefused
    """
    if [word.lower() for word in words] == ["off"]:
        return None
    try:
        minutes = float(words[0]) if len(words) == 1 else 0.0
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= 24 * 60:
        raise CommandRefused("minutes takes the time that you have, such as: minutes 25; or off, for all")
    return minutes


def cut_line(found: "Cut") -> Line:
    """Where a given time cuts the queue, and what is expected below."""
    head = (span(f"{found.minutes:g} min at {found.seconds:.1f} s a card: "),)
    if not found.below:
        return (*head, span("all of the queue", Tone.GOOD))
    real, judged = found.expected_real, found.real.n
    if real is None:
        few = f"only {judged} like them {'was' if judged == 1 else 'were'} judged"
        expected = f"how many of them are real is not known: {few}"
    else:
        low, high = math.floor(real[0]), math.ceil(real[1])
        expected = f"{low} to {high} of them real: of {judged} like them {found.real.hits} were judged so"
    return (
        *head,
        span(counted(found.rank, "card"), Tone.STRONG),
        span(f"; below the cut {found.below} more, {expected}; "),
        span(":minutes off", Tone.KEY),
        span(" reads on", Tone.DIM),
    )


def pace_lines(own: "Pace", reliability: "Share | None", pairs: "list[Pair]") -> list[Line]:
    """A reviewer's pace, streaks and agreement."""
    lines: list[Line] = [(span("Pace", Tone.STRONG),)]
    if own.seconds is None or own.mean_s is None or own.per_hour is None:
        lines.append((span(f"  not known yet: {counted(own.gaps, 'gap')} between verdicts"),))
    else:
        times = f"{own.mean_s:.1f} s a verdict in the mean, {own.seconds:.1f} s in the median"
        lines.append((span(f"  {times}; {own.per_hour:.0f} an hour", limit=200),))
    lines.append((span(f"  {counted(own.verdicts, 'verdict')}, breaks left out", Tone.DIM),))
    lines += [(), (span("Stretches without a break, the newest first", Tone.STRONG),)]
    for each in own.stretches[:-11:-1]:
        noun = "verdict" if each.verdicts == 1 else "verdicts"
        told: Line = (span(f"  {each.seconds / 60:6.1f} min  {each.verdicts:5d} {noun}"),)
        if each.slowing is not None:
            tone = Tone.WARN if each.is_tired else Tone.DIM
            tired = ", tired: rest" if each.is_tired else ""
            told = (*told, span(f"  {each.slowing:.2f}× the pace of its beginning{tired}", tone))
        lines.append(told)
    if not own.stretches:
        lines.append((span("  none", Tone.DIM),))
    lines += [(), (span("Agreement", Tone.STRONG),)]
    lines.append((span("  with yourself, shown again blind  "), span(_share(own.self_agreement))))
    lines.append((span("  with what others confirm          "), span(_share(reliability))))
    for pair in pairs:
        other = pair.second if pair.first == own.reviewer else pair.first
        kappa = f"kappa {pair.kappa:.2f}" if pair.kappa is not None else "kappa not known yet"
        lines.append((span(f"  with {other}", limit=30), span(f"  {kappa}, {pair.agree} of {pair.n} alike")))
    return lines


def _share(found: "Share | None") -> str:
    if found is None or found.share is None or found.low is None or found.high is None:
        return f"not known: {found.n if found else 0} of them"
    return f"{found.share:.0%} ({found.low:.0%} to {found.high:.0%}), n {found.n}"
