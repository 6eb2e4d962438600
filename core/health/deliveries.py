"""What became of a trouble's alerts at each receiver, and which message is due next; nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

from core.settings_sections import AlertSettings

AGAIN_S = 300.0  # a receiver that did not take a message is left alone for so long
LONGEST_S = 3600.0  # a message that is not taken is tried again after pauses that double up to this one
HOUR_S = 3600.0
BEING_SENT = "it was being sent when the program ended"
GRAVITY = ("warning", "failed")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one receiver knows of one trouble. Times are Unix seconds.

    Attributes
    ----------
    taken_at : float or None
        When it last took a message.
    severity : {"warning", "failed"} or None
        Of the message that was sent last, taken or not.
    tried_at : float
        When that was.
    tries : int
        How often in a row none was taken.
    problem : str or None
        Why the last one was not; none: it was.
    sent : tuple of float
        When messages were sent, those of the last hour.
    """

    taken_at: float | None = None
    severity: str | None = None
    tried_at: float = 0.0
    tries: int = 0
    problem: str | None = None
    sent: tuple[float, ...] = ()

    @property
    def pause_s(self) -> float:
        """How long after the last try the message may be tried again."""
        # Past some doublings nothing changes any more; a number of many digits is not made for it.
        return min(AGAIN_S * 2.0 ** min(max(self.tries - 1, 0), 16), LONGEST_S)


Deliveries = Mapping[str, Delivery]  # by the receiver's name: `core.health.alerts.receivers`


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble as far as it matters to whom it is told.

    Attributes
    ----------
    severity : {"warning", "failed"}
    opened_at : float
        When it came last or became graver, Unix seconds.
    is_open : bool
        It lasts, is grave enough, and nobody has acknowledged it.
    deliveries : mapping of str to Delivery
    about : str or None
        The receiver that it is about, which is not told of itself.
    """

    severity: str
    opened_at: float
    is_open: bool = True
    deliveries: Deliveries = field(default_factory=dict)
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Failing:
    """A receiver that does not take what it is sent.

    Attributes
    ----------
    receiver, problem : str
    messages : int
        How many it did not take.
    tries : int
        How often in a row one of them was tried.
    """

    receiver: str
    problem: str
    messages: int
    tries: int


def next_due(
    troubles: Sequence[Trouble], receivers: Sequence[str], settings: AlertSettings, at: float
) -> tuple[int, str] | None:
    """The message to send next: the place of its trouble among `troubles`, and the receiver.

    A trouble is told to each receiver when it comes and when it becomes graver than what was told of it;
    one that comes again, not within ``quiet_s``. No receiver is sent more than ``per_hour`` messages. What
    was not taken is tried again after growing pauses, or once the receiver has taken another message.

    Parameters
    ----------
    troubles : sequence of Trouble
        All that are open, the gravest first, and all others that somebody was told of within an hour.
    receivers : sequence of str
    settings : AlertSettings
    at : float
        Unix seconds.
    """
    known = {each: [one.deliveries[each] for one in troubles if each in one.deliveries] for each in receivers}
    taken = {name: max((one.taken_at or 0.0 for one in each), default=0.0) for name, each in known.items()}
    ready = [name for name, each in known.items() if _may_be_sent(each, taken[name], settings, at)]
    for place, trouble in enumerate(troubles):
        for name in ready if trouble.is_open else ():
            if trouble.about != name and _is_due(trouble, name, taken[name], settings, at):
                return place, name
    return None


def _may_be_sent(known: Sequence[Delivery], taken_at: float, settings: AlertSettings, at: float) -> bool:
    """Whether a receiver can be sent anything now."""
    refused_at = max((each.tried_at for each in known if each.problem is not None), default=0.0)
    rests = refused_at > taken_at and at < refused_at + AGAIN_S
    return not rests and sum(len(_of_last_hour(each.sent, at)) for each in known) < settings.per_hour


def _is_due(trouble: Trouble, receiver: str, taken_at: float, settings: AlertSettings, at: float) -> bool:
    delivery = trouble.deliveries.get(receiver, Delivery())
    if delivery.severity is None or _rank(trouble.severity) > _rank(delivery.severity):
        return True
    if delivery.problem is not None:
        return at >= delivery.tried_at + delivery.pause_s or delivery.tried_at < taken_at
    return delivery.tried_at < trouble.opened_at and delivery.tried_at <= at - settings.quiet_s


def _rank(severity: str) -> int:
    return GRAVITY.index(severity) if severity in GRAVITY else -1


def _of_last_hour(sent: Sequence[float], at: float) -> tuple[float, ...]:
    return tuple(each for each in sent if each > at - HOUR_S)


def being_sent(known: Deliveries, receiver: str, severity: str, at: float) -> dict[str, Delivery]:
    """The same with a message on its way, counted as sent: the program may end before it is known to be."""
    before = known.get(receiver, Delivery())
    return dict(known) | {
        receiver: Delivery(
            taken_at=before.taken_at,
            severity=severity,
            tried_at=at,
            tries=before.tries + 1,
            problem=before.problem or BEING_SENT,
            sent=(*_of_last_hour(before.sent, at), at),
        )
    }


def settled(known: Deliveries, receiver: str, at: float, problem: str | None) -> dict[str, Delivery]:
    """The same once it is known what became of the message that was sent at a moment."""
    before = known.get(receiver, Delivery())
    if problem is None:
        after = replace(before, taken_at=at, tries=0, problem=None)
    else:
        after = replace(before, problem=problem, sent=tuple(each for each in before.sent if each != at))
    return dict(known) | {receiver: after}


def failing(troubles: Sequence[Trouble]) -> list[Failing]:
    """The receivers that do not take what they are sent, by name."""
    found: dict[str, list[Delivery]] = {}
    for trouble in troubles:
        for name, delivery in trouble.deliveries.items() if trouble.is_open else ():
            if delivery.problem not in {None, BEING_SENT}:
                found.setdefault(name, []).append(delivery)
    return [_failing(name, found[name]) for name in sorted(found)]


def _failing(name: str, refused: Sequence[Delivery]) -> Failing:
    last = max(refused, key=lambda each: each.tried_at)
    return Failing(name, last.problem or "", len(refused), max(each.tries for each in refused))


def encoded(known: Deliveries) -> str:
    """As text, for a store or a file."""
    plain = Delivery()
    told = {
        name: {key: value for key, value in asdict(each).items() if value != getattr(plain, key)}
        for name, each in known.items()
    }
    return json.dumps(told, separators=(",", ":"))


def decoded(text: str | None) -> dict[str, Delivery]:
    """What was encoded; nothing where the text is something else, such as an older program's sentence."""
    try:
        return dict(_read(text or "{}"))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return {}


def _read(text: str) -> Iterator[tuple[str, Delivery]]:
    keys = {each.name for each in fields(Delivery)}
    for name, told in json.loads(text).items():
        values = {key: value for key, value in told.items() if key in keys}
        yield name, Delivery(**{**values, "sent": tuple(map(float, values.get("sent", ())))})


def problems(text: str | None) -> str | None:
    """Who did not take the last message and why, in one line; what an older program wrote, as it is."""
    known = decoded(text)
    if not known:
        return None if text == "{}" else text
    return "; ".join(f"{name}: {each.problem}" for name, each in known.items() if each.problem) or None
