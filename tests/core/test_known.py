"""What is known at a place, in words and for scripts."""

from __future__ import annotations

import pytest

from core.database.store import Store
from core.objects.known import known_lines, known_sky, write_known
from core.review.candidates import show
from tests.core.frames import add_frames, add_reference, candidate, done, process

STAR = {
    "status": "match", "catalog": "gaia", "epoch": 2016.0, "distance_arcsec": 1.234, "name": "4111",
    "mag": 15.5, "band": "G",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "answer", "sentence"),
    [
        ("star", STAR, '4111, 1.23", G 15.50; gaia, epoch 2016'),
        (
            "star",
            {"status": "none", "catalog": "gaia", "epoch": None, "within_arcsec": 10.0},
            'none within 10" in gaia',
        ),
        ("star", {"status": "unknown", "reason": "no catalogue of stars"}, "unknown: no catalogue of stars"),
        (
            "galaxy",
            STAR | {"catalog": "leda", "name": None, "mag": None, "sizes": 1.5, "redshift": 0.02},
            'a source, 1.23", 1.50 of its sizes, z 0.02; leda, epoch 2016',
        ),
        (
            "solar_system",
            STAR | {"name": "(2) Pallas", "band": "V", "uncertainty_arcsec": 0.6, "days": -12.3},
            '(2) Pallas, 1.23", V 15.50, ± 0.6", -12 d from its orbit\'s epoch; gaia, epoch 2016',
        ),
        (
            "reference",
            {"status": "match", "catalog": "reference image", "epoch": None, "distance_arcsec": None,
             "distance_px": 0.4, "name": None, "mag": None, "band": "r"},
            "a source, 0.40 px; reference image",
        ),
    ],
)  # fmt: skip
def test_each_answer_is_a_sentence(kind: str, answer: dict, sentence: str) -> None:
    ((_, told),) = known_lines({kind: answer, "at": 1.0})
    assert told == sentence


def test_a_candidate_shows_what_is_known_and_what_it_moves_with(store: Store) -> None:
    reference = add_reference(store)
    add_frames(store, 1)
    (key, other) = process(store, done(reference.id, candidate(), candidate(90.0))).candidate_ids
    assert show(store, key)["known"] is None
    assert show(store, key)["tracklet"] is None
    with store.write() as session:
        write_known(session, {key: {"star": STAR}}, "one")
        write_known(session, {key: {"star": STAR | {"name": "again"}}, other: {"star": STAR}}, "two")
    assert show(store, key)["known"]["star"]["name"] == "again"
    assert set(known_sky(store, [key, other, 999])) == {key, other}
