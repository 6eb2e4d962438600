"""What a card says of the models that scored it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from astrid_tui.cli.spoken import card_lines
from core.review.cards import MOST_EARLIER, PastVerdict, read_card
from core.vocabulary import BESIDE_MASKED, DOUBT
from screens.lines import plain
from screens.review.facts import detail_lines, fact_lines
from screens.review.known import known_facts
from screens.review.said import last_note
from tests.builders import add_night


def test_a_model_that_was_refused_is_told_on_the_card_and_all_versions_in_its_details(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    fine = replace(card, frame=replace(card.frame, scored_by="tree abc."))
    why = "realbogus: model.json is damaged; no realbogus scores."
    broken = replace(card, frame=replace(card.frame, scored_by=f"tree abc. {why}"))

    def shown(each):
        return "\n".join(plain(line) for line in fact_lines(each, 120, 12))

    assert "realbogus: model.json is damaged" in shown(broken)
    assert "damaged" not in shown(fine)
    assert shown(card) == shown(fine)
    details = " ".join(plain(line).strip() for line in detail_lines(broken, 60))
    assert "scored by tree abc." in details
    assert why in details


def test_what_a_packet_does_not_tell_is_left_out_of_the_details(sqlite_store):
    (sky_object,) = add_night(sqlite_store, objects=1, epochs=1)
    card = read_card(sqlite_store, sky_object)
    nothing = {"path": None, "field": None, "exposure_s": None, "masked_fraction": None}
    alert = {**card.candidate, "source": "ztf", "x": None, "y": None}
    lines = [plain(line).strip() for line in detail_lines(card, 100)]
    told = [plain(line).strip() for line in detail_lines(
        replace(card, candidate=alert, frame=replace(card.frame, **nothing)), 100
    )]  # fmt: skip
    assert any(line.startswith("degrees ") for line in told)
    for label in ("on the reference's grid", "file", "exposure", "masked"):
        assert any(line.startswith(label) for line in lines), label
        assert not any(line.startswith(label) for line in told), label


def test_the_error_of_a_large_flux_has_no_exponent(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    bright = {**card.candidate, "flux": 61119.8, "flux_err": 1083.7, "flux_unit": "electron"}
    told = [plain(line).strip() for line in detail_lines(replace(card, candidate=bright), 100)]
    assert "flux +61119.8 ±1080 electron" in told


def test_scores_are_shown_whole_or_not_at_all(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    scores = {"ensemble": 0.9917, "realbogus": 0.9812, "unet": 0.5, "tree": 0.25}
    many = replace(card, candidate={**card.candidate, "snr": -23.6, "scores": scores})
    for width in range(40, 210):
        line = next(plain(each) for each in fact_lines(many, width, 12) if "snr" in plain(each))
        told = re.findall(r"(ensemble|realbogus|unet|tree) (\S+)", line)
        assert told[0] == ("ensemble", "0.99")
        assert all(value == f"{scores[name]:.2f}" for name, value in told)
        assert ("…" in line) == (len(told) < len(scores))


def test_the_registration_is_told_with_the_noise_and_beyond_it(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)

    def told(rms, scatter):
        facts = replace(card.frame, registration_rms_px=rms, registration_scatter_px=scatter)
        lines = map(plain, detail_lines(replace(card, frame=facts), 100))
        return next(line.strip() for line in lines if "registration" in line)

    assert told(0.0, 0.043) == "registration 0.04 px, of it < 0.01 beyond noise"
    assert told(0.03, 0.052) == "registration 0.05 px, of it 0.03 beyond noise"
    assert told(0.0, None) == "registration < 0.01 px beyond noise"


def test_times_within_a_day_are_told_in_hours(sqlite_store):
    (sky_object,) = add_night(sqlite_store, objects=1, epochs=1)
    card = read_card(sqlite_store, sky_object)
    (first,) = card.epochs

    def told(days):
        epochs = (replace(first, mjd=61000.0), replace(first, mjd=61000.0 + days))
        moved = replace(card, epochs=epochs, light_curve=())
        return " ".join(plain(line) for line in fact_lines(moved, 120, 12))

    assert "seen 2× in 1.5 h" in told(0.0625)
    assert "seen 2× in 1.00 d" in told(1.0)


def test_what_its_survey_took_back_is_told_on_the_card(sqlite_store):
    (sky_object,) = add_night(sqlite_store, objects=1, epochs=1)
    card = read_card(sqlite_store, sky_object)
    for each, told in ((card, False), (replace(card, taken_back_by="rubin"), True)):
        facts = "\n".join(plain(line) for line in fact_lines(each, 80, 4))
        assert ("rubin took this detection back" in facts) == told


def test_of_many_references_that_hold_its_light_three_are_named_and_all_in_the_details(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = replace(read_card(store, sky_object), in_references=tuple(range(11, 31)))
    facts = "\n".join(plain(line) for line in fact_lines(card, 60, 20))
    assert "its light may be in references 11, 12, 13 and 17 more" in facts
    assert "references 11, 12, 13, 14, 15," in " ".join(plain(line) for line in detail_lines(card, 100))


def test_details_say_all_that_moved_the_ensemble_also_what_is_no_score(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    scores = {"ensemble": 0.9, "unet": 0.4, "one_class_svm": 0.2}
    moved = {"ensemble.unet": 0.0, "ensemble.snr": 1.6, "fwhm": 3.0}
    shown = replace(card, candidate={**card.candidate, "scores": scores, "snr": -7.5}, features=moved)
    lines = [plain(line).split() for line in detail_lines(shown, 100)]
    assert ["unet", "0.4000", "moved", "the", "ensemble", "by", "+0.00"] in lines
    assert ["snr", "7.5000", "moved", "the", "ensemble", "by", "+1.60"] in lines
    assert ["one_class_svm", "0.2000"] in lines
    assert ["fwhm", "3.0000"] in lines


def test_what_would_have_dropped_a_less_significant_one_is_on_the_card(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    kept = replace(card, features={"doubt.masked core": 0.34, "doubt.edge": 0.71, "masked_share": 0.34})

    def shown(each):
        return "\n".join(plain(line) for line in fact_lines(each, 120, 20))

    assert "doubtful edge 0.71, masked core 0.34" in shown(kept)
    assert "doubtful" not in shown(card)
    told = "\n".join(plain(line) for line in detail_lines(kept, 120))
    assert "doubtful edge: distance to the edge of the data: 0.71 FWHM\n" in told
    assert "doubtful masked core: share of the fit's weight on masked pixels: 0.34\n" in told


def test_that_the_middle_of_a_candidate_may_be_masked_is_on_the_card(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = replace(read_card(store, sky_object), features={f"{DOUBT}{BESIDE_MASKED}": 0.31})
    assert "doubtful flux beside masked pixels 0.31" in "\n".join(
        plain(line) for line in fact_lines(card, 120, 20)
    )
    told = "\n".join(plain(line) for line in detail_lines(card, 120))
    assert "its middle may be masked" in told


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"streak_length": 412.3, "streak_angle": 30.7, "streak_evidence": 5.0}, "streak of 412 px at 31°"),
        (
            {"row_count": 11.0, "row_length": 1229.6, "row_angle": 30.7},
            "of 11 in a row, 1230 px: flashes?",
        ),
    ],
)
def test_a_streak_and_one_of_several_in_a_row_say_so_in_one_cell(store, features, said):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    lined = replace(card, features=features)
    assert said in "\n".join(plain(line) for line in fact_lines(lined, 80, 4))
    assert said in "\n".join(plain(line) for line in detail_lines(lined, 80))
    assert "row" not in "\n".join(plain(line) for line in fact_lines(card, 80, 20))


def test_tags_are_on_the_card_as_a_note_is(store):
    (sky_object,) = add_night(store, objects=1, epochs=1)
    card = read_card(store, sky_object)
    past = PastVerdict(1, 0.0, "ann", card.candidate_id, None, None, None, ("host", "late"), False)
    assert plain(last_note(replace(card, history=(past,)))) == "note #host #late (ann)"
    assert last_note(replace(card, history=())) == ()


def test_catalogues_that_are_not_there_are_told_in_few_words():
    kinds = ("solar_system", "variable", "star", "galaxy", "transient")
    known = {kind: {"status": "unknown"} for kind in kinds} | {"reference": {"status": "none"}}
    assert [plain(line) for line in known_facts(known)] == ["known sky unknown: no catalogue, no ref"]
    near = known | {"reference": {"status": "match", "distance_px": 9.1}}
    told = [plain(line) for line in known_facts(near)]
    assert told == ["near ref 9.1 px", "known sky unknown: no catalogue"]
    told = [plain(line) for line in known_facts(known | {"star": {"status": "none"}})]
    assert told == ["no star ref, unknown SSO var gal trans"]


@pytest.mark.parametrize("width", [77, 137])
def test_a_note_is_told_whole_in_the_details_and_aloud(sqlite_store, width):
    (sky_object,) = add_night(sqlite_store, objects=1, epochs=1)
    card = read_card(sqlite_store, sky_object)
    words = " ".join(f"word{number}" for number in range(300)) + " " + "x" * 300
    note = PastVerdict(1, 0.0, "ann", card.candidate_id, None, None, words, (), stands=False)
    card = replace(card, history=(note,))
    lines = [plain(line) for line in detail_lines(card, width)]
    assert max(map(len, lines)) <= width
    told = lines[lines.index("Verdicts and notes, newest first") + 1 :]
    assert "".join(words.split()) in "".join("".join(told).split())
    assert any(words in line for line in card_lines(card))
    assert plain(last_note(card)).endswith("… (ann)")  # the page has no room for it


@pytest.mark.parametrize("width", [80, 140])
def test_a_card_tells_of_frames_from_before_its_object_was_known(sqlite_store, width):
    (sky_object,) = add_night(sqlite_store, objects=1)
    card = read_card(sqlite_store, sky_object)
    assert "earlier" not in "\n".join(plain(line) for line in fact_lines(card, width, 4))
    late = replace(card, earlier_frames=12)
    facts = "\n".join(plain(line) for line in fact_lines(late, width, 4))
    assert "12 earlier frames not measured: :past" in facts
    assert facts.index("earlier") < facts.index("seen")
    only_read = "\n".join(plain(line) for line in fact_lines(late, width, 4, past=""))
    assert "12 earlier frames not measured" in only_read
    assert ":past" not in only_read
    one = replace(card, earlier_frames=1)
    assert "1 earlier frame not measured: :past" in " ".join(plain(line) for line in detail_lines(one, width))
    many = replace(card, earlier_frames=MOST_EARLIER)
    facts = "\n".join(plain(line) for line in fact_lines(many, width, 4))
    assert f"{MOST_EARLIER}+ earlier frames not measured: :past" in facts
