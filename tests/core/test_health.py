"""What each check says of given facts, and that the facts of this machine can be gathered."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.database.store import Store
from core.database.tables import Candidate, Cutout
from core.frames.scored_by import scoring_key
from core.health.check import ago
from core.health.checks import examine, worst
from core.health.events import listed, record
from core.health.facts import Place
from core.operations.prefect_server import ServerState
from core.review.rescoring import unscored_cards
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.core.rows import add_candidate
from tests.core.well import GIB, LIMITS, NOW, facts, folder, found, gpu, one, run


def test_where_all_is_well_nothing_is_wrong():
    checks = examine(facts(), LIMITS)
    assert {check.name for check in checks} == {
        "store", "disk", "clock", "queue", "frames", "runs", "watch", "camera", "prefect", "gpu",
        "models", "alerts", "sky",
    }  # fmt: skip
    assert not any(check.is_trouble for check in checks)
    assert worst(checks) == "ok"


@pytest.mark.parametrize(
    ("free_gib", "writable", "state"),
    [
        (2.0, True, "ok"),
        (1.99, True, "warning"),
        (0.25, True, "warning"),
        (0.2, True, "failed"),
        (9, False, "failed"),
    ],
)
def test_a_disk_is_short_before_it_is_full(free_gib, writable, state):
    check = one("disk", places=(Place(Path("/data"), int(free_gib * GIB), writable),))
    assert (check.state, check.cause, check.host) == (state, "/data", "here")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_sqlite_over_a_network_is_refused(kind):
    check = one("store", filesystem=kind)
    assert check.state == "failed"
    assert kind in check.message
    assert "PostgreSQL" in check.message


def test_a_store_without_a_write_ahead_log_is_refused():
    check = one("store", journal_mode="delete")
    assert check.state == "failed"
    assert "'delete'" in check.message


def test_a_store_that_takes_no_changes_says_so_and_nothing_of_its_journal():
    why = "cannot be written: its file system is read-only; `astrid --read-only` shows it"
    check = one("store", journal_mode="delete", unwritable=why)
    assert (check.state, check.message) == ("failed", f"astrid.db {why}")
    place = Place(Path("/data"), 50 * GIB, False, True)
    assert one("disk", places=(place,)).message == "/data cannot be written to: its file system is read-only"
    assert one("disk", places=(replace(place, is_read_only=False),)).message.endswith("this login may not")


def test_without_a_store_only_the_machine_is_checked():
    checks = examine(facts(trouble="no such database"), LIMITS)
    assert [(each.name, each.state) for each in checks] == [
        ("store", "failed"),
        ("disk", "ok"),
        ("clock", "ok"),
    ]
    assert checks[0].message == "no such database"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"clock_ahead_s": 61.0}, "failed"),
        ({"clock_ahead_s": -61.0}, "failed"),
        ({"clock_ahead_s": 59.0}, "ok"),
        ({"newest_entry_at": NOW + 61}, "warning"),
        ({"newest_taken_at": NOW + 61, "newest_frame": "a.fits"}, "warning"),
        ({"newest_taken_at": NOW + 59, "newest_entry_at": NOW + 59}, "ok"),
        ({"clock_is_kept": False}, "unknown"),
        ({"clock_is_kept": None}, "unknown"),
    ],
)
def test_a_clock_is_held_against_all_others(changes, state):
    assert one("clock", **changes).state == state


def test_the_oldest_frame_tells_the_age_of_the_queue():
    assert one("queue", due=3, due_since=NOW - 3600).state == "ok"
    behind = one("queue", due=3, due_since=NOW - 3601, running=[run()])
    assert (behind.state, "keep up" in behind.message) == ("warning", True)
    idle = one("queue", due=3, due_since=NOW - 3601)
    assert (idle.state, "no run is at work" in idle.message) == ("warning", True)


def test_frames_that_stand_still_are_told_by_what_holds_them():
    checks = found("frames", quarantined=2, silent_leases=1)
    assert [(each.cause, each.state) for each in checks] == [
        ("quarantined", "warning"),
        ("leases", "warning"),
    ]
    assert checks[0].message == "2 frames quarantined, for a person to look at: `astrid queue list` tells why"


def test_runs_that_died_fell_silent_or_were_lost():
    dead, silent, well = run(1), run(2, host="there", heartbeat_at=NOW - 181), run(3)
    lost = run(4, state="lost", ended_at=NOW - 60, reason="process 99 is gone")
    forgotten = run(5, state="lost", ended_at=NOW - 86401)
    checks = found("runs", running=[dead, silent, well], lost=[lost, forgotten], gone_runs=frozenset({1}))
    assert [(each.cause, each.state, each.host) for each in checks] == [
        ("run 1", "failed", "here"),  # only this machine can know that
        ("run 2", "warning", ""),
        ("run 4", "warning", ""),
    ]
    assert checks[0].message == (
        "process 99 of run 1 is gone: the next run frees its frames, and links the tracklets of what it did"
    )
    assert one("runs", running=[well], lost=[forgotten]).message == "1 run at work"


def test_frames_whose_tracklets_nobody_has_looked_for_are_told_while_no_run_is_at_work():
    check = one("runs", unlinked=3)
    assert (check.state, check.cause) == ("warning", "tracklets")
    assert check.message.startswith(
        "3 frames of a run that was broken off: `astrid run` looks for the tracklets"
    )
    assert one("runs", unlinked=3, running=[run()]).message == "1 run at work"
    dead = found("runs", unlinked=3, running=[run()], gone_runs=frozenset({7}))
    assert [each.cause for each in dead] == ["run 7", "tracklets"]


def test_silence_is_told_by_the_clock_of_the_database():
    ahead = {"clock_ahead_s": 3600.0}
    assert one("runs", running=[run(2, heartbeat_at=NOW + 3590)], **ahead).state == "ok"
    assert one("runs", running=[run(2, heartbeat_at=NOW - 10)], **ahead).state == "warning"
    assert one("watch", folders=[folder(heartbeat_at=NOW + 3597)], **ahead).state == "ok"
    assert one("watch", folders=[folder()], **ahead).state == "failed"


def test_a_watcher_that_fell_silent_or_cannot_read():
    checks = found(
        "watch",
        folders=[
            folder(),
            folder(path="/b", heartbeat_at=NOW - 61),
            folder(path="/c", problem="no such folder"),
            folder(path="/d", watcher=None, heartbeat_at=0.0),  # nobody means to
            folder(path="/e", interval_s=60.0, heartbeat_at=NOW - 290),  # looks seldom
        ],
    )
    assert [(each.cause, each.state) for each in checks] == [("here:/b", "failed"), ("here:/c", "failed")]
    assert one("watch", folders=[folder()]).state == "ok"


@pytest.mark.parametrize(
    ("missing_s", "state"), [(300, "ok"), (301, "warning"), (3599, "warning"), (3601, "ok")]
)
def test_a_camera_that_stops_is_missed_until_its_night_seems_over(missing_s, state):
    assert one("camera", cadence_s=60.0, last_arrival_at=NOW - missing_s).state == state


def test_a_camera_is_missed_in_the_dark_of_its_site_alone():
    # 15 January 2027, 08:00 UTC: night in Hawaii, day on the Canaries.
    mauna_kea, la_palma = (19.82, -155.47), (28.76, -17.88)
    late = {"cadence_s": 60.0, "last_arrival_at": NOW - 5 * 3600}
    assert one("camera", site=mauna_kea, **late).state == "warning"
    assert one("camera", site=la_palma, **late).state == "ok"


def test_a_camera_of_unknown_cadence_is_not_judged():
    assert one("camera", last_arrival_at=NOW - 9e5, folders=[folder()]).state == "unknown"
    assert one("camera", cadence_s=60.0).state == "unknown"


def test_a_camera_is_missed_no_more_when_the_watch_of_its_folder_was_ended(sqlite_store: Store):
    late = {"last_arrival_at": NOW - 600}
    record(sqlite_store, found("camera", cadence_s=30.0, folders=[folder()], **late), "here")
    assert [(each.check, each.state) for each in listed(sqlite_store)] == [("camera", "open")]
    record(sqlite_store, found("camera", folders=[folder(watcher=None)], **late), "here")
    assert [(each.check, each.state) for each in listed(sqlite_store)] == [("camera", "over")]


def test_prefect_matters_to_runs_that_need_it():
    absent = ServerState("absent", None, True, "it is not running")
    wrong = ServerState("unusable", "http://x", False, "it is of version 2")
    mine = [run(engine="prefect")]
    assert one("prefect", prefect=None).state == "unknown"
    assert one("prefect", prefect=absent).state == "ok"
    assert one("prefect", prefect=absent, running=mine).state == "failed"
    assert one("prefect", prefect=wrong).state == "warning"
    assert one("prefect", prefect=wrong, running=mine).state == "failed"


def test_a_gpu_that_is_hot_or_was_lost():
    hot = gpu(at=NOW - 1, temperature_c=86.0)
    lost = gpu(device="here/gpu1", at=NOW - 500, reason="it does not answer any more")
    never = gpu(device="here/gpu", reason="no NVIDIA driver")
    checks = found("gpu", devices=[hot, lost, gpu(device="here/gpu2", at=NOW - 1, temperature_c=40.0)])
    assert [(each.cause, each.state) for each in checks] == [
        ("here/gpu0", "warning"),
        ("here/gpu1", "warning"),
    ]
    assert one("gpu", devices=[never]).message == "here/gpu: not measured: no NVIDIA driver"
    assert one("gpu", devices=[gpu(kind="cpu", at=NOW, temperature_c=99.0)]).state == "unknown"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (2e6, "23 d")],
)
def test_times_are_told_coarsely(seconds, text):
    assert ago(seconds) == text


def test_cards_that_stand_by_their_snr_before_all_that_models_scored_are_told_of():
    """As where the store is older than the models."""
    check = one("models", unscored=3)
    assert (check.state, check.cause) == ("warning", "unscored")
    assert check.message == (
        "3 cards of the queue without a score: `astrid models rescore` gives scores; until then what is "
        "without stands before all that models scored, by |snr|"
    )
    assert one("models", unscored=1).message.startswith("1 card of ")
    assert one("models", unscored=1000).message.startswith("1000 cards and more of ")


@pytest.mark.parametrize(
    ("facts", "alerts", "counts"),
    [
        ({"score": 8.0}, True, True),
        ({"score": 0.97, "scores": {"ensemble": 0.97}}, True, False),
        ({"score": 8.0, "source": "ztf"}, True, True),
        ({"score": 8.0, "source": "ztf"}, False, False),  # nobody is to score it
    ],
)
def test_it_is_asked_of_cards_that_await_a_verdict_and_can_be_scored(
    store: Store, facts, alerts, counts
) -> None:
    seen = [add_candidate(store, **facts) for _ in range(3)]
    with store.write() as session:
        session.add_all([Cutout(candidate_id=each, pixels=b"") for each in seen[:2]])  # the third has none
    with store.read() as session:
        assert unscored_cards(session, alerts=alerts, most=9) == 2 * counts
        assert unscored_cards(session, alerts=alerts, most=1) == 1 * counts
    decide(store, session="s", reviewer="ada", candidate_id=seen[0], label=Label.REAL, shown={})
    for told, more in (("scored by no model.", 1), ("scored by tree abc.", 0)):  # by none, and in vain
        with store.write() as session:
            session.get(Candidate, seen[1]).scoring_id = scoring_key(session, told)
        with store.read() as session:
            assert unscored_cards(session, alerts=alerts, most=9) == more * counts
