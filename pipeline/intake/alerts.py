"""Alerts from files into the store, a batch at a time, told file by file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.catalogs.library import CatalogError
from core.database.store import Store
from core.frames.content import content_hash
from core.frames.observations import ObservationFacts, drop_mended, register
from core.objects.seen_again import Rule
from core.settings import Settings
from core.surveys.alert import AlertFacts
from core.surveys.register import BATCH, RegisteredAlert, register_alerts
from core.surveys.sites import site_of
from core.vocabulary import FrameKind, ObservationState
from pipeline.classify.chosen import chosen
from pipeline.classify.classify import Classifier, best_of
from pipeline.intake import ingest
from pipeline.known.alerts import Answer, body_answer, reference_answer, with_body
from pipeline.known.candidates import at_places
from pipeline.known.match import KnownSky
from pipeline.surveys import packets
from pipeline.surveys.packets import read_alerts
from pipeline.surveys.refusal import Refused

log = logging.getLogger(__name__)

SUFFIXES = (*ingest.SUFFIXES, *packets.SUFFIXES)  # of what is taken from folders: frames and alerts
MOST_DAYS = 2  # of one transaction's alerts whose small bodies are looked up at once
MOST_TOLD = 20  # reasons that are kept of one file
NOT_ASKED = ""  # the state of catalogues that nobody asked: `astrid catalog match` asks them

Progress = Callable[[Path, int], None]  # which file, and how many of its alerts are in the store


@dataclass(slots=True)
class AlertFile:
    """What became of a file of alerts.

    Attributes
    ----------
    new, known, refused : int
        Its alerts: those that the store did not have, those that it had, and what could not be used.
    reasons : list of str
        Why, the first `MOST_TOLD` of them.
    unmatched : int
        Of the new ones those that no catalogue was asked about; `unmatched_reason` says why.
    id : int or None
        Under which the store keeps a file of which something was refused.
    """

    path: Path
    new: int = 0
    known: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unmatched: int = 0
    unmatched_reason: str | None = None
    is_damaged: bool = False
    id: int | None = None

    @property
    def state(self) -> ObservationState:
        """``done``; ``quarantined`` where it is damaged, ``rejected`` where it is of no use at all."""
        if self.is_damaged:
            return ObservationState.QUARANTINED
        return ObservationState.DONE if self.new or self.known else ObservationState.REJECTED

    @property
    def reason(self) -> str | None:
        """One line: what could not be used of it."""
        if not self.refused:
            return None if self.new or self.known else "it holds no alerts"
        whole = self.refused == 1 and not (self.new or self.known)
        return self.reasons[0] if whole else f"{self.refused} refused, the first: {self.reasons[0]}"

    def refuse(self, reason: str, *, damaged: bool = False) -> None:
        """Count something that cannot be used."""
        self.refused += 1
        self.is_damaged |= damaged
        if len(self.reasons) < MOST_TOLD:
            self.reasons.append(reason)

    def count(self, alert: AlertFacts, done: RegisteredAlert, unmatched: str | None = None) -> None:
        """Count an alert that the store was asked to take, and why no catalogue was asked about it."""
        if done.state == "refused":
            self.refuse(done.reason or "")
        elif done.state == "new":
            self.new += 1
            if unmatched is not None:
                self.unmatched += 1
                self.unmatched_reason = unmatched
        else:
            self.known += 1
        if alert.remark and done.state == "new" and len(self.remarks) < MOST_TOLD:
            self.remarks.append(f"{alert.source} alert {alert.external_id}: {alert.remark}")


def take_alerts(
    store: Store, settings: Settings, paths: Iterable[Path], progress: Progress = lambda _path, _count: None
) -> Iterator[AlertFile]:
    """Put the alerts of files into the store.

    Small files share a transaction; what was committed stays, so an interrupted run goes on where it was.
    What is known at their places is asked once for all alerts of a transaction.

    Yields
    ------
    AlertFile
        One for each path, in their order, when all its alerts are in the store.
    """
    known = KnownSky.of(settings)
    rule = Rule(settings.review.seen_again_score, settings.review.seen_again_snr)
    pending: list[tuple[AlertFile, AlertFacts]] = []
    open_files: list[AlertFile] = []

    def flush() -> None:
        alerts, state, unmatched = _with_known([alert for _, alert in pending], known)
        alerts = _scored(alerts, store, settings)
        done = register_alerts(store, alerts, state, rule)
        for (file, alert), outcome in zip(pending, done, strict=True):
            file.count(alert, outcome, unmatched)
        if pending:
            last = pending[-1][0]
            progress(last.path, last.new + last.known)
        pending.clear()

    for path in paths:
        file = AlertFile(path)
        open_files.append(file)
        for found in read_alerts(
            path, cutout_px=settings.cutout.size_px, radius_arcsec=settings.associate.radius_arcsec
        ):
            if isinstance(found, Refused):
                file.refuse(str(found), damaged=found.damaged)
                continue
            pending.append((file, found))
            if len(pending) >= BATCH:
                flush()
        if not pending:
            yield from _remembered(store, open_files)
            open_files.clear()
    flush()
    yield from _remembered(store, open_files)


def _remembered(store: Store, files: Sequence[AlertFile]) -> Sequence[AlertFile]:
    """Keep which files were refused, in whole or in part, so that they are found the next morning."""
    refused = [file for file in files if file.reason is not None]
    facts = [
        ObservationFacts(
            content=content_hash(file.path),
            extension=0,
            frame=file.path.name,
            path=str(file.path.absolute()),
            kind=FrameKind.ALERTS,
            state=file.state if file.state != ObservationState.DONE else ObservationState.REJECTED,
            reason=file.reason,
        )
        for file in refused
    ]
    for file, known in zip(refused, register(store, facts), strict=True):
        file.id = known.id
    drop_mended(store, [str(file.path.absolute()) for file in files if file.reason is None])
    return files


def _scored(alerts: Sequence[AlertFacts], store: Store, settings: Settings) -> Sequence[AlertFacts]:
    """Alerts with what our models in use say of them; as they are where none can, or none shall."""
    if not (alerts and settings.classify.alerts):
        return alerts
    try:
        classifier = Classifier.of(chosen(store, settings))
        scores = classifier.score_candidates(alerts)
    except Exception:  # ONNX Runtime raises many kinds, of no common base
        log.exception("alerts could not be scored")
        return alerts
    return [
        replace(alert, score=best_of(ours), model_scores=ours, scored_by=scores.told)
        if (ours := scores.of(number))
        else alert
        for number, alert in enumerate(alerts)
    ]


def _with_known(
    alerts: Sequence[AlertFacts], known: KnownSky
) -> tuple[Sequence[AlertFacts], str | None, str | None]:
    """Alerts with what is known at their places, and the state of the catalogues, or why none was asked.

    All small bodies have to be propagated once for each day: of alerts of many days, as archives hold them,
    nothing is looked up here, and `astrid catalog match` does it in order of their times.
    """
    if not alerts:
        return alerts, None, None
    bodies = [body_answer(each.source, each.body, each.mag) for each in alerts]
    try:
        state = known.state
        days = len({int(each.mjd) for each in alerts})
        if days > MOST_DAYS and known.library.catalogs("orbits"):
            reason = f"those of {days} days came at once, and orbits take a while for each day"
            return _told_alone(alerts, bodies), NOT_ASKED, reason
    except CatalogError as error:
        log.warning("what is known at the places of alerts was not looked up: %s", error)
        return _told_alone(alerts, bodies), NOT_ASKED, str(error)
    places = [(each.ra, each.dec, each.mjd) for each in alerts]
    sites = [site_of(each.source, each.external_id) for each in alerts]
    found = []
    for each, sky, body in zip(alerts, at_places(places, known, sites), bodies, strict=True):
        reference = reference_answer(each.source, each.features, each.filter)
        found.append(replace(each, known=with_body({**sky, "reference": reference}, body)))
    return found, state, None


def _told_alone(alerts: Sequence[AlertFacts], bodies: Sequence[Answer | None]) -> list[AlertFacts]:
    """Alerts with the bodies that they tell of themselves, where no catalogue was asked."""
    return [
        each if body is None else replace(each, known=with_body({}, body))
        for each, body in zip(alerts, bodies, strict=True)
    ]
