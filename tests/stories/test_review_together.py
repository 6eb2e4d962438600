"""Choosing, a given time, and several reviewers: as done at the console."""

import pytest
from sqlmodel import select

from core.database.tables import OpenCard, SavedFilter, SkyObject
from core.review.retractions import undo
from core.review.saved_filters import save
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from screens.review.desk import Desk
from tests.builders import add_night, make_store
from tests.core.rows import reference_of_the_night
from tests.core.test_pace import set_times
from tests.stories.desk import Held, console, verdicts
from tests.stories.judged import SIZES, best, type_command


async def test_a_filter_is_explained_and_completed_while_it_is_typed_and_kept_by_name(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path, (140, 40)) as vera:
        await vera.pilot.press("slash", *"field:")
        await vera.until(lambda: vera.lines[-2].strip() == "the field, * is anything:  M31")
        assert "the field" in vera.lines[-2]
        await vera.pilot.press("tab", "space", *"verdict:none", "space", *"score")
        await vera.until(lambda: "what the queue is ordered by" in vera.lines[-2])
        await vera.pilot.press("greater_than_sign", *"22")
        await vera.until(lambda: "field M31 and no verdict and score above 22" in vera.lines[-2])
        await vera.press("enter")
        await vera.until(lambda: "esc clears" in vera.text)  # until then the line takes keys
        await type_command(vera, "save strong")
        await vera.until(lambda: "kept: @strong" in vera.text)
        await vera.press("escape")
        await vera.until(lambda: "field:M31" not in vera.lines[1])
        await vera.press("slash")
        await vera.until(lambda: "saved filters" not in vera.lines[-2])
        await vera.pilot.press("at")
        await vera.until(lambda: "saved filters: @strong" in vera.lines[-2])
        await vera.pilot.press("backspace")
        await vera.type("@strong")
        assert "field:M31 verdict:none score>22" in vera.lines[1]
        await vera.press("slash")
        await vera.pilot.press("ctrl+u")
        await vera.type("@weak")
        assert "no saved filter 'weak'" in vera.text
        await vera.pilot.press("ctrl+u")
        await vera.type("filter:R state:real")
        assert "No card passes the filter" in vera.text
        await vera.until(lambda: "there is no filter:R here, but filter:r" in vera.text)
    with store.read() as db:
        (kept,) = db.exec(select(SavedFilter)).all()
    assert (kept.reviewer, kept.name) == ("vera", "strong")


async def test_a_long_filter_that_was_saved_can_be_typed_on(night, tmp_path):
    store, url, _ = night
    names = " or ".join(f'object:"one of many that are watched, number {each}"' for each in range(12))
    save(store, reviewer="vera", name="watched", expression=f"{names} or score>22.8")
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("@watched")
        assert "1 of 2" in vera.lines[1]
        await vera.press("slash")
        assert len(vera.screen.prompt.value) > 500
        await vera.type(" verdict:none")
        assert "1 of 2" in vera.lines[1]
        assert vera.screen.filter.endswith("score>22.8) verdict:none")


async def test_orders_of_the_queue_and_one_that_is_empty_until_there_are_models(night, tmp_path):
    _store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("O")
        await vera.until(lambda: "by brightness" in vera.lines[1] and vera.screen.card is not None)
        assert vera.screen.card.object_id == ids[0]
        await vera.press("O", "O")
        await vera.until(lambda: "No model has given any uncertainty yet" in vera.text)
        await type_command(vera, "order age")
        await vera.until(lambda: "by age" in vera.lines[1])
        await vera.pilot.press("q")
    async with console(url, tmp_path) as vera:
        assert "by age" in vera.lines[1]


async def test_an_order_says_how_many_have_no_value_and_leads_nowhere_at_its_end(night, tmp_path):
    store, url, ids = night
    with store.write() as db:
        for place in (1, 3):
            db.get_one(SkyObject, ids[place]).anomaly = 0.5 + place
    async with console(url, tmp_path) as vera:
        await type_command(vera, "order anomaly")
        await vera.until(lambda: "1 of 2 by anomaly, 3 without" in vera.lines[1])
        assert vera.screen.card.object_id == ids[3]
        await vera.press("j", "j")
        assert "Without any anomaly, and so not in this order: 3" in vera.text
        for _ in range(2):
            vera.screen.store_changed()
            await vera.settled()
        assert "The end of the queue" in vera.text
        await type_command(vera, "filter tag:nobody-said-so")
        await vera.until(lambda: "No card passes the filter" in vera.text)
        await type_command(vera, "filter")
        await vera.until(lambda: "1 of 2 by anomaly, 3 without" in vera.lines[1])


async def test_at_the_end_what_came_in_since_is_said_and_shown_where_nothing_was_passed_over(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("x", "j", "d", "c", "t")
        assert "4 decided, 1 passed over" in vera.text
        add_night(store, objects=2)
        vera.app.look()
        await vera.until(lambda: "Came in since: 2 more" in vera.text)
        await vera.press("j")
        await vera.until(lambda: "1 of 3" in vera.lines[1])
        await vera.press("x", "d", "c")
        add_night(store, objects=1)
        vera.app.look()
        await vera.until(lambda: "1 of 1" in vera.lines[1])


async def test_a_note_with_tags_can_be_filtered_by(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "w")
        await vera.type("off the nucleus #Host #host #blue")
        (row,) = verdicts(store)
        assert (row.note, row.tags) == ("off the nucleus #Host #host #blue", ["host", "blue"])
        await vera.press("slash")
        await vera.type("tag:blue")
        assert "1 of 1" in vera.lines[1]


@pytest.mark.parametrize("size", SIZES)
async def test_a_given_time_cuts_the_queue_at_the_own_pace(tmp_path, size):
    store, url = make_store(tmp_path)
    ids = add_night(store, objects=40)
    for object_id in ids[-25:]:
        decide(store, session="s", reviewer="vera", candidate_id=best(store, object_id),
               label=Label.DIPOLE, shown={})  # fmt: skip
    set_times(store, [12.0 * i for i in range(25)])
    async with console(url, tmp_path, size) as vera:
        assert "1 of 15" in vera.lines[1]
        await type_command(vera, "minutes 2")
        await vera.until(lambda: "1 of 10" in vera.lines[1])
        told = " ".join(line.strip() for line in vera.lines[-4:-1])
        assert "2 min at 12.0 s a card: 10 cards; below the cut 5 more, 0 to 1 of them real" in told
        assert "of 25 like them 0 were judged so; :minutes off reads on" in told
        assert "5 below the cut" in vera.lines[1]
        await vera.press("j", "G", "j")
        assert "The end of what the given time reaches" in vera.text
        assert "Below the cut: 5 more" in vera.text
        vera.app.look()  # what awaits is more than what is reached: that leads nowhere by itself
        await vera.settled()
        vera.screen.store_changed()
        await vera.settled()
        assert "Below the cut: 5 more" in vera.text
        await vera.press("g", "O")
        await vera.until(lambda: "1 of 10, 5 below the cut by brightness" in vera.lines[1])
        await vera.press("j", "j", "j", "j")
        await type_command(vera, "minutes 2")
        await vera.until(lambda: "5 of 14, 1 below the cut" in vera.lines[1])  # four were passed over
        await type_command(vera, "minutes off")
        await vera.until(lambda: "5 of 15 by brightness" in vera.lines[1])
        await vera.press("G")
        assert "15 of 15" in vera.lines[1]
        await type_command(vera, "pace")
        await vera.until(lambda: "12.0 s a verdict in the mean, 12.0 s in the median; 300" in vera.text)
        await vera.pilot.press("escape")
        await type_command(vera, "minutes soon")
        await vera.until(lambda: "minutes 25" in vera.text)
    store.close()


async def test_a_card_that_somebody_has_open_is_marked(night, tmp_path, monkeypatch):
    from core.review.open_cards import keep_open

    monkeypatch.setattr("screens.review.company.SETTLE_S", 0.05)
    store, url, ids = night
    keep_open(store, ids[0], session="b", reviewer="bob", seconds=60)
    async with console(url, tmp_path) as vera:
        await vera.until(lambda: "open: bob" in vera.lines[1])
        await vera.press("j")
        await vera.until(lambda: "open: bob" not in vera.lines[1])

        def told():
            with store.read() as db:
                return [r.sky_object_id for r in db.exec(select(OpenCard).where(OpenCard.reviewer == "vera"))]

        await vera.until(lambda: told() == [ids[1]])
        await vera.pilot.press("G", "j")
        await vera.until(lambda: told() == [])
        await vera.press("k")
        await vera.until(lambda: told() != [])
        await vera.pilot.press("q")
    assert told() == []  # whoever comes now is not told that vera is there


async def test_two_at_one_card_are_told_of_each_other_before_and_after_their_verdicts(
    night, tmp_path, monkeypatch
):
    monkeypatch.setattr("screens.review.company.SETTLE_S", 0.05)
    monkeypatch.setattr("screens.review.company.LOOK_S", 0.1)
    from core.review.open_cards import keep_open

    store, url, ids = night
    bob = {"session": "b", "reviewer": "bob", "shown": {}}
    async with console(url, tmp_path) as vera:
        await vera.pilot.pause(0.3)  # vera has looked, and told, before bob comes to the same card
        keep_open(store, ids[0], session="b", reviewer="bob", seconds=60)
        await vera.until(lambda: "open: bob" in vera.lines[1])
        decide(store, **bob, candidate_id=best(store, ids[0]), label=Label.REAL)
        await vera.until(lambda: "bob: real" in vera.lines[1])
        await vera.press("x")
        await vera.until(lambda: "bob said real: disputed · artefact" in vera.lines[-2])
        assert "bob: real" not in vera.lines[1]  # that is another card
        monkeypatch.setattr("screens.review.company.LOOK_S", 60.0)
        await vera.press("j")
        decide(store, **bob, candidate_id=best(store, ids[2]), label=Label.SUPERNOVA)
        await vera.press("r")
        await vera.until(lambda: "bob said supernova too: real is confirmed · real" in vera.lines[-2])


async def test_blind_what_others_decided_meanwhile_is_told_after_the_verdict(night, tmp_path, monkeypatch):
    monkeypatch.setattr("screens.review.company.LOOK_S", 0.1)
    store, url, ids = night
    bob = {"session": "b", "reviewer": "bob", "shown": {}}
    async with console(url, tmp_path, more="blind = true\n") as vera:
        decide(store, **bob, candidate_id=best(store, ids[0]), label=Label.REAL)
        await vera.pilot.pause(0.5)
        assert "bob" not in vera.text
        await vera.press("x")
        await vera.until(lambda: "bob said real: disputed" in vera.lines[-2])
        await vera.press("k")
        await vera.until(lambda: "bob: real" in vera.lines[1])
        await vera.press("u")
        await vera.pilot.pause(0.3)
        assert "bob: real" not in vera.lines[1]


async def test_blind_what_others_said_is_hidden_until_one_has_decided(night, tmp_path):
    store, url, ids = night
    who = {"session": "bob", "reviewer": "bob", "candidate_id": best(store, ids[0])}
    decide(store, **who, label=Label.ASK_EXPERT, shown={})
    annotate(store, **who, note="surely a nova")
    async with console(url, tmp_path) as vera:
        assert "surely a nova" in vera.text
    async with console(url, tmp_path, more="blind = true\n") as vera:
        assert vera.screen.card.object_id == ids[0]
        assert "surely a nova" not in vera.text
        assert "bob" not in vera.text
        await vera.press("s", "k")
        assert "surely a nova" in vera.text


async def test_a_share_is_shown_again_blind_and_measures_self_agreement(night, tmp_path):
    store, url, ids = night
    decide(store, session="s", reviewer="vera", candidate_id=best(store, ids[0]), label=Label.REAL,
           shown={}, note="mine")  # fmt: skip
    more = "again_share = 0.5\nagain_after_s = 0.0\n"
    async with console(url, tmp_path, more=more) as vera:
        assert "of 5" in vera.lines[1]
        for _ in range(5):
            if vera.screen.card.object_id == ids[0]:
                break
            await vera.press("j")
        assert vera.screen.card.object_id == ids[0]
        assert "mine" not in vera.text
        assert "judged" not in vera.text
        assert "by vera" not in vera.text
        assert vera.screen.queue.place == 0  # where its score puts it
        await vera.press("d", "k")
        assert "mine" in vera.text
        await vera.press("u")
        assert "taken back: dipole of " in vera.lines[-2]
        assert vera.screen.card.object_id == ids[0]
        assert "mine" not in vera.text
        await vera.press("d")
    assert verdicts(store)[-1].shown["again"] is True
    async with console(url, tmp_path, more=more) as vera:
        await vera.press("u", "u")  # in a later sitting it is as blind
        assert vera.screen.card.object_id == ids[0]
        assert "mine" not in vera.text
        await vera.press("ctrl+r")
        assert "given again: dipole of " in vera.lines[-2]
    assert verdicts(store)[-1].shown["again"] is True
    assert verdicts(store)[-1].label == "dipole"


async def test_an_expert_is_asked_by_name(night, tmp_path):
    from core.review.agreement import asked

    store, url, ids = night
    eve = {"session": "eve", "reviewer": "eve"}
    decide(store, **eve, candidate_id=best(store, ids[4]), label=Label.REAL, shown={})
    undo(store, **eve)
    async with console(url, tmp_path) as vera:
        await type_command(vera, "assign evve")
        await vera.until(lambda: "evve is no expert by [review] experts" in vera.text)
        assert asked(store) == []
        await type_command(vera, "assign eve")
        await vera.until(lambda: "awaits eve; eve is no expert by [review] experts" in vera.text)
        await vera.ready()
        assert "1 of 5" in vera.lines[1]  # it stays: what was asked is to be seen
        assert "awaits eve, asks vera" in vera.text
        await vera.pilot.press("o")
        await vera.until(lambda: "Facts" in vera.text)
        assert "awaits eve" in vera.text
        await vera.pilot.press("escape")
        await vera.press("j", "a")
        assert "ask-expert" in vera.lines[-2]
        assert "k, :assign NAME asks one" in vera.lines[-2]
    assert [each.expert for each in asked(store)] == ["eve", None]
    async with console(url, tmp_path) as vera:
        assert "1 of 3" in vera.lines[1]  # what vera asked is not hers to decide
        await type_command(vera, "filter state:escalated")
        await vera.until(lambda: "1 of 2" in vera.lines[1])
        await vera.press("escape")
    more = 'experts = ["vera"]\n'
    async with console(url, tmp_path, more=more) as vera:
        await type_command(vera, "experts eve")
        await vera.until(lambda: "1 of 1" in vera.lines[1])
        await vera.ready()
        assert vera.screen.card.object_id == ids[0]
        await type_command(vera, "assign vera")
        await vera.until(lambda: "awaits vera  u takes it back" in vera.lines[-2])
        await vera.ready()
        await type_command(vera, "experts")
        await vera.until(lambda: "1 of 2" in vera.lines[1])
        await type_command(vera, "experts me")
        await vera.until(lambda: 'expert:"vera"' in vera.lines[1] and "1 of 1" in vera.lines[1])


async def test_what_reviewers_differ_on_is_listed_until_it_is_settled(night, tmp_path):
    store, url, ids = night
    for who, label in (("ann", Label.REAL), ("bob", Label.DIPOLE)):
        decide(store, session=who, reviewer=who, candidate_id=best(store, ids[2]), label=label, shown={})
    async with console(url, tmp_path, more='experts = ["vera"]\n') as vera:
        assert "1 of 4" in vera.lines[1]
        await type_command(vera, "disagreements")
        await vera.until(lambda: "1 of 1" in vera.lines[1])
        await vera.until(lambda: "ann: real  bob: dipole" in vera.lines[1])
        await vera.press("s")
        await vera.until(lambda: "bob said dipole: real is confirmed" in vera.text)
        await type_command(vera, "disagreements")
        await vera.until(lambda: "No card passes the filter" in vera.text)


@pytest.mark.parametrize("size", SIZES)
async def test_a_real_one_whose_light_is_in_a_reference_is_told_of_and_what_to_do(night, tmp_path, size):
    store, url, _ = night
    number = reference_of_the_night(store)
    async with console(url, tmp_path, size) as vera:
        await vera.press("x")
        assert "its light" not in vera.text
        await vera.press("s")
        await vera.until(lambda: f"its light may be in reference {number}: k, o tell more" in vera.text)
        await vera.press("k")
        assert f"its light may be in reference {number}" in "\n".join(vera.lines[2:-3])
        await vera.pilot.press("o")
        await vera.until(lambda: f"`astrid reference retire {number}`" in " ".join(vera.text.split()))


async def test_that_a_typed_command_was_not_done_is_told_though_the_card_is_there_by_now(
    night, tmp_path, monkeypatch
):
    store, url, _ = night
    async with console(url, tmp_path, more='experts = ["eve"]\n') as vera:
        await vera.press("x")
        held = Held(monkeypatch, Desk, "card")
        await vera.pilot.press("k")  # that card has to be read again
        await vera.until(lambda: held.is_begun)
        await vera.pilot.press("colon")
        await vera.typed("assign eve")
        held.let_go()
        await vera.settled()
        await vera.ready()
        assert "1 of 5" in vera.lines[1]
        assert "nobody was asked: there was no card yet" in vera.text
    assert [row.label for row in verdicts(store)] == ["artefact"]
