"""What a card says of the models that scored it."""

from __future__ import annotations

from dataclasses import replace

from core.review.cards import read_card
from screens.lines import plain
from screens.review.facts import detail_lines, fact_lines
from tests.builders import add_night


def test_a_model_that_was_refused_is_told_on_the_card_and_all_versions_in_its_details(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    fine = replace(card, frame=replace(card.frame, scored_by="scored by tree abc."))
    why = "realbogus: model.json is damaged; no realbogus scores."
    broken = replace(card, frame=replace(card.frame, scored_by=f"scored by tree abc. {why}"))

    def shown(each):
        return "\n".join(plain(line) for line in fact_lines(each, 120, 12))

    assert "realbogus: model.json is damaged" in shown(broken)
    assert "damaged" not in shown(fine)
    assert shown(card) == shown(fine)
    details = " ".join(plain(line).strip() for line in detail_lines(broken, 60))
    assert "scored by tree abc." in details
    assert why in details
