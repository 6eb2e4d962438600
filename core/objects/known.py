"""What is known at the places of candidates, as it was answered when they were committed or matched again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import CandidateMatch
from core.database.turns import take_turn

TOLD_BODY = "survey_body"  # among the answers: what the survey said, whatever catalogues say later
BATCH = 500  # candidates of one statement
TITLES = {
    "solar_system": "solar system",
    "variable": "variable",
    "star": "star",
    "galaxy": "galaxy",
    "transient": "transient",
    "reference": "reference",
}
EXTRAS = (
    ("sizes", "{:.2f} of its sizes"),
    ("redshift", "z {:.4g}"),
    ("type", "{}"),
    ("discovered", "discovered {}"),
    ("period", "period {:.6g} d"),
    ("uncertainty_arcsec", '± {:.1f}"'),
    ("days", "{:+.0f} d from its orbit's epoch"),
)


def known_sky(store: Store, candidate_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What is known at the places of some candidates.

    Returns
    -------
    dict
        For each candidate that was ever matched ``at`` (Unix seconds), and an answer by kind: ``star``,
        ``variable``, ``galaxy``, ``transient``, ``solar_system``, ``reference``; see `pipeline.known.match`.
    """
    found: dict[int, dict[str, Any]] = {}
    ids = list(candidate_ids)
    with store.read() as session:
        for start in range(0, len(ids), BATCH):
            query = select(CandidateMatch).where(
                col(CandidateMatch.candidate_id).in_(ids[start : start + BATCH])
            )
            found |= {row.candidate_id: {"at": row.at, **row.answers} for row in session.exec(query)}
    return found


def untold_bodies(session: Session, told: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """What is known of some candidates, with the body that their survey tells of, where that was not kept.

    Parameters
    ----------
    told : mapping
        What is known now, of alerts that came again.
    """
    named = {key: answers for key, answers in told.items() if TOLD_BODY in answers}
    query = select(CandidateMatch).where(col(CandidateMatch.candidate_id).in_(list(named)))
    kept = {row.candidate_id: row.answers for row in session.exec(query)}
    before = {key: kept.get(key, {}).get(TOLD_BODY) for key in named}
    return {
        key: {**kept.get(key, {}), **answers}
        for key, answers in named.items()
        if (body := before[key]) is None or (body.get("name") is None and answers[TOLD_BODY].get("name"))
    }


def bodies_at(session: Session, candidate_ids: Sequence[int]) -> dict[int, str]:
    """The bodies of the solar system at the places of some candidates, in words not fit to be shown."""
    query = select(CandidateMatch).where(col(CandidateMatch.candidate_id).in_(candidate_ids))
    told = ((row.candidate_id, row.answers.get("solar_system") or {}) for row in session.exec(query))
    return {key: _sentence(answer) for key, answer in told if answer.get("status") == "match"}


def known_lines(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known at a place in words: a kind and a sentence each; not fit to be shown as they are.

    Parameters
    ----------
    known : mapping
        Of one candidate, as `known_sky` gives it.
    """
    return [(title, _sentence(known[kind])) for kind, title in TITLES.items() if kind in known]


def _sentence(answer: Mapping[str, Any]) -> str:
    status = answer.get("status")
    if status == "unknown":
        return f"unknown: {answer.get('reason')}"
    epoch = answer.get("epoch")
    source = f"{answer.get('catalog')}{f', epoch {epoch:.6g}' if isinstance(epoch, int | float) else ''}"
    if status != "match":
        return f"none{_within(answer)} in {source}"
    words = [word for word in (str(answer.get("name") or "a source"), distance_words(answer)) if word]
    mag = answer.get("mag")
    if mag is not None:
        words.append(f"{answer.get('band') or 'mag'} {mag:.2f}")
    for key, form in EXTRAS:
        if answer.get(key) is not None:
            words.append(form.format(answer[key]))
    return f"{', '.join(words)}; {source}"


def _within(answer: Mapping[str, Any]) -> str:
    for key, unit in (("within_arcsec", '"'), ("within_px", " px"), ("within_sizes", " of its sizes")):
        if answer.get(key) is not None:
            return f" within {answer[key]:g}{unit}"
    return ""


def distance_words(answer: Mapping[str, Any]) -> str:
    """How far away a match is; empty where that was not told."""
    if answer.get("distance_arcsec") is not None:
        return f'{answer["distance_arcsec"]:.2f}"'
    return f"{answer['distance_px']:.2f} px" if answer.get("distance_px") is not None else ""


def write_known(session: Session, answers: Mapping[int, Mapping[str, Any]], state: str) -> None:
    """Keep what is known of some candidates, in place of what was known before."""
    take_turn(session, "known sky")  # two that looked the same candidates up would both insert them
    ids = list(answers)
    now = time.time()
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        session.connection().execute(delete(CandidateMatch).where(col(CandidateMatch.candidate_id).in_(some)))
        rows = [{"candidate_id": key, "state": state, "at": now, "answers": answers[key]} for key in some]
        session.connection().execute(insert(CandidateMatch), rows)
