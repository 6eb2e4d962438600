"""The parts of the review screen that need no terminal: queue, held keys, viewing, facts."""

import pytest

from core.cells import COLOUR_MAPS, STRETCHES, Look
from core.operations.headline import Headline
from core.review.filter_help import Known
from core.review.pace import Cut, Pace, Stretch, share
from core.vocabulary import mask_words
from screens.lines import plain
from screens.review import view
from screens.review.facts import best_first, sexagesimal, utc
from screens.review.guard import RepeatGuard
from screens.review.known import known_facts
from screens.review.queue import Entry, Queue
from screens.review.steering import cut_line, filter_hint, pace_lines
from screens.review.viewing import Viewing
from screens.terminal import probe


class TestQueue:
    def test_an_object_that_moved_in_the_order_is_not_met_twice(self):
        queue = Queue()
        queue.extend([1, 2, 3], "cursor")
        queue.extend([3, 4], None)
        assert [entry.object_id for entry in queue.entries] == [1, 2, 3, 4]
        assert queue.is_complete

    def test_the_end_is_one_past_the_last_card(self):
        queue = Queue()
        queue.extend([1, 2], None)
        assert queue.move(5)
        assert queue.current is None
        assert not queue.move(1)
        assert queue.move(-1)
        assert queue.current.object_id == 2

    def test_an_undone_card_that_was_not_read_is_put_in_place(self):
        queue = Queue()
        queue.extend([1, 2], None)
        queue.move(1)
        queue.go_to(9, 90)
        assert [entry.object_id for entry in queue.entries] == [1, 9, 2]
        assert (queue.current.object_id, queue.current.candidate_id, queue.total) == (9, 90, 3)

    def test_it_reads_on_before_the_reader_gets_there(self):
        queue = Queue()
        queue.extend(range(10), "more")
        assert not queue.needs_page(3)
        queue.move(7)
        assert queue.needs_page(3)

    def test_what_is_shown_again_stands_at_its_rank_and_never_before_the_reader(self):
        queue = Queue()
        queue.extend([1, 2, 3, 4], None)
        queue.put_in([(10, 0), (11, 2), (12, 2), (13, 4), (2, 3)])
        assert [entry.object_id for entry in queue.entries] == [10, 1, 2, 11, 12, 3, 4, 13]
        assert queue.total == 8
        queue.is_begun = True
        queue.move(3)
        queue.put_in([(14, 1)])
        assert [entry.object_id for entry in queue.entries][3:6] == [11, 14, 12]

    def test_what_is_shown_again_is_blind_until_it_is_decided_and_after_an_undo(self):
        entry = Entry(1, is_again=True)
        assert entry.is_blind
        entry.label = "real"
        assert not entry.is_blind
        entry.label = None
        assert entry.is_blind

    def test_a_cut_ends_what_is_reached_and_is_taken_away_again(self):
        queue = Queue(total=40, is_counted=True)
        queue.extend(range(10), "more")
        queue.entries[0].label = queue.entries[3].label = "real"
        queue.move(2)
        queue.cut_after(3)  # 2, 4 and 5 need a verdict, 3 has one
        assert (queue.reach, queue.length, queue.below, queue.left) == (6, 6, 34, 3)
        queue.move(99)
        assert (queue.place, queue.current) == (6, None)
        assert not queue.needs_page(99)
        assert queue.upcoming(9) == []
        queue.cut = None
        assert queue.current.object_id == 6
        assert (queue.length, queue.below) == (40, 0)
        assert queue.needs_page(9)

    def test_a_cut_lies_beyond_what_was_read_and_moves_for_what_is_put_in(self):
        queue = Queue(total=40, is_counted=True)
        queue.extend(range(5), "more")
        queue.cut_after(12)
        assert (queue.cut, queue.left, queue.needs_page(9)) == (12, 12, True)
        queue.cut_after(2)
        queue.move(9)
        assert queue.go_to(4).object_id == 4  # an undo may lead beyond the cut
        assert queue.current.object_id == 4
        assert (queue.reach, queue.below) == (3, 37)


def test_what_is_expected_below_a_cut_is_said_or_that_it_is_not_known():
    few = plain(cut_line(Cut(5, 300.0, 1, 4, share(0, 1))))
    assert "a card: 1 card; below the cut 4 more" in few
    assert "is not known: only 1 like them was judged" in few
    many = plain(cut_line(Cut(5, 10.0, 30, 100, share(5, 50))))
    assert "100 more, 4 to 22 of them real: of 50 like them 5 were judged so" in many
    assert plain(cut_line(Cut(5, 10.0, 30, 0, share(0, 0)))).endswith("all of the queue")


def test_of_frames_that_wait_or_were_refused_an_empty_queue_says_where_to_read_why():
    queue = Queue()
    queue.extend([], None)
    page = view.Page(
        headline=Headline(waiting=1, rejected=2), filter="", queue=queue, card=None, viewing=None,
        theme="dark", blinked=False, notice=(),
    )  # fmt: skip
    assert [plain(line).strip() for line in view.empty_lines(page)] == [
        "Nothing awaits a verdict.",
        "No frame is queued: `astrid ingest PATH` registers frames.",
        "Waiting: 1 frame. `astrid status` says for what.",
        "Rejected: 2 frames. `astrid status` says why.",
    ]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("line:", "a streak, or one of several in a row:  streak  row  any  none"),
        ("-line:", "a streak, or one of several in a row:  streak  row  any  none"),
        ("snr>7 filter:", "the band as the frame has it:  r  g"),
        ("tag:", "a reviewer's tag on its object: tag:host  any  none"),
        ("@", "saved filters: @mine  @mine"),
        ("sco", "what the queue is ordered by: score>0.8  score>"),
    ],
)
def test_values_that_a_filter_can_go_on_with_are_told_once_and_fit_in_80_columns(typed, told):
    assert plain(filter_hint(typed, Known({"filter": ["r", "g"]}, ["mine"]), 80)) == told


def test_one_gap_is_a_gap():
    none = share(0, 0)
    own = Pace("ada", verdicts=2, gaps=1, seconds=None, per_hour=None, stretches=(), self_agreement=none)
    assert "not known yet: 1 gap between verdicts" in plain(pace_lines(own, None, [])[1])


def test_a_stretch_of_one_verdict_is_of_one_verdict():
    stretches = (Stretch(0.0, 0.0, 12, None), Stretch(9.0, 0.0, 1, None))
    own = Pace(
        "ada",
        verdicts=13,
        gaps=1,
        seconds=None,
        per_hour=None,
        stretches=stretches,
        self_agreement=share(0, 0),
    )
    one, twelve = (plain(line) for line in pace_lines(own, None, [])[5:7])
    assert one == "     0.0 min      1 verdict"
    assert twelve == "     0.0 min     12 verdicts"


class TestRepeatGuard:
    def presses(self, times, keys=None):
        clock = iter(times)
        guard = RepeatGuard(lambda: next(clock))
        given = []
        for key in keys or ["x"] * len(times):
            held = guard.is_held(key)
            if not held:
                guard.accept()
            given.append(not held)
        return given

    @pytest.mark.parametrize("delay", [0.2, 0.25, 0.5, 0.66])
    @pytest.mark.parametrize("rate", [10, 25, 40])
    def test_a_key_held_for_ten_seconds_gives_one_verdict(self, delay, rate):
        times = [0.0] + [delay + step / rate for step in range(10 * rate)]
        assert sum(self.presses(times)) == 1

    def test_a_key_pressed_anew_after_a_look_counts(self):
        assert self.presses([0, 1.0, 2.1]) == [True, True, True]

    def test_another_key_counts_at_once(self):
        assert self.presses([0, 0.1, 0.2], ["x", "r", "x"]) == [True, True, True]

    def test_a_refused_press_gives_nothing_that_holds_back_the_next(self):
        clock = iter([0.0, 0.4])
        guard = RepeatGuard(lambda: next(clock))
        guard.is_held("x")  # not accepted: the card was not drawn yet
        assert not guard.is_held("x")


class TestViewing:
    def test_zoom_and_contrast_come_back_to_where_they_were(self):
        start = Viewing.begin(Look())
        for out, back in (("zoom-in", "zoom-out"), ("contrast-more", "contrast-less")):
            assert start.changed(out) != start
            assert start.changed(out).changed(back) == start

    def test_zoom_stays_within_its_bounds(self):
        viewing = Viewing.begin(Look())
        for _ in range(20):
            viewing = viewing.changed("zoom-in")
        assert viewing.look.zoom == 8
        assert Viewing.begin(Look()).changed("zoom-out").look.zoom == 1

    def test_menus_go_round(self):
        viewing = Viewing.begin(Look())
        for action, times in (
            ("view:stretch", len(STRETCHES)),
            ("view:colours", len(COLOUR_MAPS)),
        ):
            turned = viewing
            for _ in range(times):
                turned = turned.changed(action)
            assert turned == viewing

    def test_images_are_chosen_in_turn_the_score_where_it_was_kept(self):
        viewing = Viewing.begin(Look())
        assert viewing.plane == 2
        for planes in ([0, 1, 2], [3, 0, 1, 2, 3]):
            for plane in planes:
                viewing = viewing.next_plane(has_score=len(planes) > 3)
                assert viewing.plane == plane
        assert viewing.on_card(has_score=True).plane == 3
        assert viewing.on_card(has_score=False).plane == 2
        assert viewing.next_plane(has_score=False).plane == 0  # after the difference that stood for it

    def test_the_dome_is_red_whatever_is_chosen(self):
        viewing = Viewing.begin(Look(colour_map="viridis"))
        assert viewing.dressed("dome").colour_map == "red"
        assert viewing.dressed("dark").colour_map == "viridis"

    def test_a_verdict_records_how_the_images_were_drawn(self):
        record = Viewing.begin(Look()).changed("view:stretch").changed("full").record("dark")
        assert (record["stretch"], record["full_size"], record["zoom"]) == ("linear", True, 1.0)


class TestKnown:
    STAR = {"status": "match", "name": "1", "distance_arcsec": 0.31, "mag": 17.24, "catalog": "gaia"}  # noqa: RUF012
    NONE = {"status": "none", "catalog": "vsx"}  # noqa: RUF012
    UNKNOWN = {"status": "unknown", "reason": "no catalogue"}  # noqa: RUF012

    def told(self, known):
        return [plain(line) for line in known_facts(known)]

    def test_what_is_near_what_is_not_and_what_nobody_knows(self):
        body = {"status": "match", "name": "Cer\x1bes", "distance_arcsec": 0.2, "mag": None}
        known = {"star": self.STAR, "variable": self.NONE, "galaxy": self.UNKNOWN, "solar_system": body}
        assert self.told(known) == ["near SSO Cer␛es 0.2″, star 0.3″ 17.2", "no var, unknown gal"]

    def test_unknown_is_never_none(self):
        assert self.told(None) == ["known sky unknown: not looked up"]
        assert self.told(dict.fromkeys(("star", "galaxy"), self.UNKNOWN)) == [
            "known sky unknown: no catalogue"
        ]
        assert self.told({"star": self.UNKNOWN, "galaxy": self.NONE}) == ["no gal, unknown star"]
        assert self.told({"star": self.STAR}) == ["near star 0.3″ 17.2"]

    def test_a_distance_without_a_wcs_is_in_pixels(self):
        source = {"status": "match", "distance_arcsec": None, "distance_px": 1.24, "mag": None}
        assert self.told({"reference": source}) == ["near ref 1.2 px"]


class TestFacts:
    @pytest.mark.parametrize(
        ("ra", "dec", "text"),
        [
            (10.684708, 41.268750, "00:42:44.33 +41:16:07.5"),
            (0, 0, "00:00:00.00 +00:00:00.0"),
            (359.9999999, -0.5, "00:00:00.00 -00:30:00.0"),
            (180, -89.99999999, "12:00:00.00 -90:00:00.0"),
        ],
    )
    def test_sexagesimal_never_shows_sixty(self, ra, dec, text):
        assert sexagesimal(ra, dec) == text

    def test_dates(self):
        assert utc(60000.5) == "2023-02-25 12:00:00 UTC"
        assert utc(None) == "–"
        assert utc(1e12) == "MJD 1e+12"

    def test_mask_bits_have_names(self):
        assert mask_words(2 | 8) == "saturated, edge"
        assert mask_words(0) == ""


class TestTerminal:
    @pytest.mark.parametrize(
        ("environment", "drawing"),
        [
            ({"TERM": "xterm-256color"}, "grey"),
            ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "half"),
            ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "SSH_CONNECTION": "a b"}, "grey"),
            ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "ascii"),
            ({"TERM": "xterm-256color", "NO_COLOR": ""}, "grey"),
            ({"TERM": "linux"}, "ascii"),
            ({"TERM": "dumb"}, "ascii"),
            ({}, "ascii"),
        ],
    )
    def test_the_drawing_suits_the_terminal(self, environment, drawing):
        assert probe(environment).drawing == drawing

    def test_the_drawing_suits_the_charset(self):
        terminal = probe({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, charset="iso8859-1")
        assert terminal.drawing == "ascii"
        assert terminal.shows_no_pictures == "the locale is not UTF-8"


def test_the_score_that_orders_the_queue_is_told_first_and_oddness_last():
    scores = {
        "isolation_forest": 0.9,
        "tree": 0.2,
        "ztf:drb": 0.7,
        "ensemble": 0.4,
        "realbogus": 0.3,
        "unet": None,
    }
    names = [name for name, _ in best_first(scores)]
    assert names == ["ensemble", "realbogus", "unet", "tree", "ztf:drb", "isolation_forest"]


def test_a_note_keeps_its_words_as_they_were_typed():
    from screens.review.steering import Remark

    said = Remark.read(" near #Host nucleus #blue ")
    assert (said.note, said.tags) == ("near #Host nucleus #blue", ("host", "blue"))
    assert Remark.read("#a #A #b") == Remark(None, ("a", "b"))
