"""More like this: a reviewer has the queue ordered by likeness to some cards, and goes back."""

import pytest

from core.database.tables import SkyObject
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from screens.widgets.rows import Rows
from screens.widgets.sheet import Sheet
from tests.builders import add_night, make_store
from tests.stories.desk import console, verdicts
from tests.stories.likest import Searches, make_rings


@pytest.fixture
def crowd(tmp_path):
    """A store with thirty objects that await a verdict, every fourth of which shows a ring."""
    store, url = make_store(tmp_path)
    ids = add_night(store, objects=30, epochs=1)
    make_rings(store, ids[::4])
    yield store, url, ids
    store.close()


@pytest.fixture
def searches(crowd, monkeypatch):
    """Searches that find the objects of the crowd, the last one first."""
    return Searches(monkeypatch, crowd[0])


def met(vera):
    """The objects that come next, the one under review first."""
    return [entry.object_id for entry in vera.screen.queue.entries[vera.screen.queue.place :]]


def best(store, key):
    with store.read() as db:
        return db.get_one(SkyObject, key).best_candidate_id


def name(store, key):
    with store.read() as db:
        return db.get_one(SkyObject, key).name


async def like(vera, *keys):
    """Look for more, and wait until it is found."""
    await vera.press(*(keys or ["L"]))
    await vera.settled()
    await vera.ready()


async def test_more_like_a_card_comes_next_and_one_key_leads_back(crowd, tmp_path):
    store, url, ids = crowd
    rings = set(ids[::4])
    async with console(url, tmp_path) as vera:
        await vera.press("j", "j", "j", "j")
        before = met(vera)
        assert before == ids[4:]
        await like(vera)
        assert met(vera)[0] == ids[4]  # who looks at a card goes on looking at it
        assert set(met(vera)[1:8]) == rings - {ids[4]}
        assert len(met(vera)) == 30
        assert f"like {name(store, ids[4])}  esc back  1 of 30  from 1 example" in vera.lines[1]
        assert "the likeliest come next" in vera.text
        await vera.press("d", "d")
        judged = [row.sky_object_id for row in verdicts(store)]
        assert judged[0] == ids[4]
        assert judged[1] in rings
        assert "3 of 30" in vera.lines[1]
        await vera.press("escape")
        assert "like" not in vera.lines[1]
        assert met(vera)[0] == next(each for each in before if each not in judged)
        assert "5 of 30" in vera.lines[1] or "6 of 30" in vera.lines[1]


async def test_more_of_what_a_word_names_comes_next(crowd, tmp_path):
    store, url, ids = crowd
    who = {"session": "t", "reviewer": "ada"}
    annotate(store, candidate_id=best(store, ids[0]), note=None, tags=["dipole"], **who)
    decide(store, candidate_id=best(store, ids[8]), label=Label.DIPOLE, shown={}, **who)
    decide(store, candidate_id=best(store, ids[1]), label=Label.REAL, shown={}, **who)
    async with console(url, tmp_path) as vera:
        await vera.press("j")
        assert met(vera)[0] == ids[2]
        await vera.press("colon")
        await vera.type("like #dipole")
        assert met(vera)[0] == ids[2]
        assert set(met(vera)[1:7]) == set(ids[::4]) - {ids[0], ids[8]}
        assert ids[0] not in met(vera)  # it is known to be one
        assert "like dipole  esc back  1 of 27  from 2 examples, 1 other" in vera.lines[1]


async def test_after_ten_answers_the_order_is_made_anew_behind_the_card_that_is_here(
    crowd, searches, tmp_path
):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        assert met(vera) == [ids[0], *ids[:0:-1]]
        await vera.press("d", "d", "x")
        await vera.press("w")
        await vera.type("as the first #faint")
        await vera.press(*"dddddd")
        assert len(searches.asked) == 1
        searches.order = ids[5:15]
        here = met(vera)[0]
        await vera.press("d")
        await vera.settled()
        assert len(searches.asked) == 2
        judged = [row for row in verdicts(store) if row.label]
        same = {str(row.candidate_id) for row in judged if row.label == "dipole"}
        (other,) = (str(row.candidate_id) for row in judged if row.label == "artefact")
        assert set(searches.given("like")) == same
        assert searches.given("unlike") == [other]
        assert here == met(vera)[0] or here == judged[-1].sky_object_id
        assert met(vera)[1:] == [each for each in ids[5:15] if each != met(vera)[0]]
        assert "11 of 21  from 9 examples, 1 other" in vera.lines[1]
        await vera.press("k")
        assert vera.screen.queue.current.label == "dipole"  # what was met stays behind


async def test_what_is_taken_back_is_learnt_from_no_more(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        await vera.press("d", "d", "u")
        assert met(vera)[0] == ids[-1]
        assert "taken back: dipole" in vera.text
        await vera.press(*"xxxxxxxxx")
        await vera.settled()
        assert searches.given("like") == [str(best(store, ids[0]))]
        assert len(searches.given("unlike")) == 9
        assert str(best(store, ids[-1])) in searches.given("unlike")


async def test_marked_cards_are_the_examples_and_come_first(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("j", "j", "space", "space", "j")
        assert met(vera)[0] == ids[5]
        await like(vera)
        assert searches.given("like") == [str(best(store, each)) for each in ids[2:4]]
        assert met(vera)[:4] == [ids[5], ids[2], ids[3], ids[29]]
        assert "like 2 marked cards" in vera.lines[1]
        assert "2 marked" in vera.lines[1].partition("of 30")[2]
        await vera.press("escape")
        assert met(vera) == ids[5:]
        assert vera.screen.queue.marks.keys() == set(ids[2:4])


async def test_a_filter_holds_and_what_is_wanted_is_looked_for_in_another_one(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("zone:human")
        await like(vera)
        assert searches.given("filter") == ["zone:human"]
        assert "zone:human   like " in vera.lines[1]
        await vera.press("slash")
        await vera.typed(" snr>1")
        await vera.settled()
        await vera.ready()
        assert searches.given("filter")[0].endswith("snr>1")
        assert searches.given("like") == [str(best(store, ids[0]))]
        assert "like " in vera.lines[1]
        await vera.press("escape")
        assert "snr>1" in vera.lines[1]
        assert "esc clears" in vera.lines[1]
        await vera.press("escape")
        await vera.settled()
        assert met(vera) == ids


async def test_another_order_leads_out(crowd, searches, tmp_path):
    _, url, _ = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        await vera.press("O")
        await vera.settled()
        assert "1 of 30 by brightness" in vera.lines[1]
        assert "like" not in vera.lines[1]
        await like(vera)
        assert "brightness" not in vera.lines[1]
        await vera.press("escape")
        assert "1 of 30 by brightness" in vera.lines[1]


async def test_at_the_end_it_goes_on(crowd, searches, tmp_path, monkeypatch):
    monkeypatch.setattr("screens.review.liking.LOOKS", 5)
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        assert met(vera) == [ids[0], *ids[:-5:-1]]
        await vera.press("j", "j", "j", "j", "j")
        assert "The end of the 5 that are most like" in vera.text
        assert "0 decided, 5 passed over" in vera.text
        await like(vera)
        assert met(vera) == ids[-5:-10:-1]
        assert "6 of 10" in vera.lines[1]
        await vera.press(*"jjjjj")
        searches.order = ids[-9:]  # all of them were passed over
        await like(vera)
        assert "no other card that awaits a verdict is left" in vera.text
        assert "The end of the 10 that are most like" in vera.text
        await vera.press("escape")
        assert met(vera) == ids


async def test_what_was_decided_meanwhile_is_decided_when_one_is_back(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        await vera.press("d", "d", "d", "escape")
        assert met(vera)[0] == ids[1]
        assert [entry.label for entry in vera.screen.queue.entries if entry.label] == ["dipole"] * 3
        assert "3 decided" in vera.lines[1]
        await vera.press("u")
        assert met(vera)[0] == ids[-2]
    assert len([row for row in verdicts(store) if row.label]) == 3


async def test_what_is_taken_back_meanwhile_awaits_a_verdict_when_one_is_back(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("d")
        await like(vera)
        await vera.press("u")
        assert met(vera)[0] == ids[0]
        await vera.press("escape")
        assert vera.screen.queue.entries[0].label is None
        assert met(vera)[0] == ids[1]


async def test_what_is_taken_back_of_many_awaits_a_verdict_when_one_is_back(crowd, searches, tmp_path):
    _, url, ids = crowd
    searches.order = ids[20:25]
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space", "B")
        await vera.typed("dipole")
        await vera.until(lambda: "dipole for 2 objects" in vera.text)
        await vera.pilot.press("enter")
        await vera.settled()
        await like(vera)
        assert met(vera) == [ids[2], *ids[20:25]]
        await vera.press("u", "escape")
        assert not any(entry.label for entry in vera.screen.queue.entries)


async def test_what_is_taken_back_of_another_filter_is_met_when_one_is_back(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("d", "slash")
        await vera.typed("snr>0")
        await vera.settled()
        await vera.press("escape")
        await vera.settled()
        assert met(vera) == ids[1:]
        await like(vera)
        await vera.press("u", "escape")
        assert sorted(met(vera)) == ids
        assert "1 of 30" in vera.lines[1]


async def test_one_verdict_on_all_that_pass_holds_when_one_is_back(crowd, searches, tmp_path):
    store, url, ids = crowd
    searches.order = ids[20:25]
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.typed("snr>0")
        await vera.settled()
        await vera.ready()
        await like(vera)
        await vera.press("B")
        await vera.typed("dipole")
        await vera.until(lambda: "type dipole" in vera.text.lower())
        await vera.typed("dipole")
        await vera.until(lambda: len(verdicts(store)) == 30)
        await vera.settled()
        await vera.press("escape")
        assert all(entry.label == "dipole" for entry in vera.screen.queue.entries)
        assert vera.screen.queue.current is None


async def test_what_was_decided_of_cards_that_were_not_read_yet_is_counted(tmp_path, monkeypatch):
    store, url = make_store(tmp_path)
    ids = add_night(store, objects=55, epochs=2)  # more than a page
    Searches(monkeypatch, store)
    async with console(url, tmp_path) as vera:
        await vera.until(lambda: "1 of 55 " in vera.lines[1])
        await like(vera)
        await vera.press("j", "x", "x", "x")
        assert {row.sky_object_id for row in verdicts(store)} == set(ids[-3:])
        await vera.press("escape")
        assert "1 of 52 " in vera.lines[1]
    store.close()


async def test_tags_alone_are_answers(crowd, searches, tmp_path, monkeypatch):
    monkeypatch.setattr("screens.review.liking.ANSWERS", 3)
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        for words in ("#ghost", "#ghost", "no tag", "#ghost #faint"):
            assert len(searches.asked) == 1
            await vera.press("w")
            await vera.type(words)
            await vera.press("j")
        await vera.until(lambda: len(searches.asked) == 2)
        tagged = [ids[0], ids[29], ids[27]]
        assert set(searches.given("like")) == {str(best(store, each)) for each in tagged}


async def test_one_verdict_on_all_that_are_marked_is_learnt_from(crowd, searches, tmp_path):
    _, url, _ = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        await vera.press("d", *["space"] * 9, "B")
        await vera.typed("dipole")
        await vera.until(lambda: "dipole for 9 objects" in vera.text)
        await vera.pilot.press("enter")
        await vera.until(lambda: len(searches.asked) == 2)
        await vera.settled()
        assert len(searches.given("like")) == 10
        assert "11 of 30" in vera.lines[1]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_nothing_but_two_lines_changes_when_it_is_found(crowd, searches, tmp_path, size):
    _, url, _ = crowd
    async with console(url, tmp_path, size) as vera:
        await vera.settled()
        page = vera.screen.query_one("#page", Rows)
        before = list(page.lines)
        await like(vera)
        changed = [place for place, line in enumerate(page.lines) if line != before[place]]
        assert changed == [0, len(before) - 1]
        assert len(vera.lines[1].rstrip()) <= size[0]


async def test_whoever_changes_nothing_may_look_for_more(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path, read_only=True) as vera:
        await like(vera)
        assert met(vera)[:2] == [ids[0], ids[-1]]


async def test_help_and_completions_know_of_it(crowd, searches, tmp_path):
    store, url, ids = crowd
    annotate(store, candidate_id=best(store, ids[3]), note=None, tags=["ghost"], session="t", reviewer="ada")
    async with console(url, tmp_path) as vera:
        await vera.press("question_mark")
        await vera.until(lambda: isinstance(vera.app.screen, Sheet))
        assert "L" in vera.text
        assert "more like this card, or the marked ones" in " ".join(vera.text.split())
        await vera.press("escape")
        await vera.pilot.press("colon", *"like ", "tab")
        await vera.until(lambda: "ghost" in vera.text)
        assert "dipole" in vera.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [("like a b", "like takes one tag or one verdict"), ("like #", "like takes a tag, such as")],
)
async def test_words_that_are_none_are_refused(crowd, searches, tmp_path, typed, said):
    _, url, _ = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("colon")
        await vera.type(typed)
        assert said in vera.text
        assert searches.asked == []


async def test_a_word_that_nobody_gave_is_not_looked_for_and_all_stays(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("j", "colon")
        await vera.type("like ghost")
        await vera.settled()
        assert "like ghost: nothing is tagged or was judged ghost" in vera.text
        assert searches.asked == []
        assert met(vera) == ids[1:]
        assert "2 of 30" in vera.lines[1]


async def test_where_nothing_else_awaits_a_verdict_it_is_said(crowd, searches, tmp_path):
    _, url, ids = crowd
    searches.order = [-1]
    async with console(url, tmp_path) as vera:
        await like(vera)
        assert "nothing else that awaits a verdict can be compared" in vera.text
        assert met(vera) == ids
        assert not vera.screen.reading.is_ranked


@pytest.mark.parametrize("time", ["5", "off"])
async def test_a_time_does_not_cut_an_order_that_is_made_anew(crowd, searches, tmp_path, time):
    _, url, _ = crowd
    async with console(url, tmp_path) as vera:
        await like(vera)
        await vera.press("colon")
        await vera.type(f"minutes {time}")
        assert "minutes cuts the queue in its own order: esc leads back to that first" in vera.text
