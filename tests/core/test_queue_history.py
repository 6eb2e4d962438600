"""What a person needs in order to judge a frame that failed: all that ever happened to it."""

import pytest
from sqlalchemy import update

from core.database.store import Store
from core.database.tables import Run
from core.frames import queue
from core.frames.commit import commit_frame
from core.frames.frame_filters import matching, parse
from core.frames.outcome import FrameOutcome, StageRecord
from core.frames.queue import drop, prioritise, requeue
from core.frames.queue_history import history
from core.operations import runs
from core.review.filter_words import FilterError
from tests.core.frames import add_frames, add_reference, claimed, done, process
from tests.core.test_queue import a_run, expire, fail, gone_pid, row


def told(store: Store, key: int) -> list[tuple[str, int, str, str | None]]:
    return [(line.what, line.attempt, line.outcome, line.by) for line in history(store, key)]


def test_a_frame_that_goes_its_way_leaves_its_stages_alone(store: Store) -> None:
    (key,) = add_frames(store, 1)
    reference = add_reference(store).id or 0
    process(store, done(reference, stages=(StageRecord("align", 10.0, 2.0, "done"),)))
    (line,) = history(store, key)
    assert (line.at, line.what, line.outcome, line.seconds) == (12.0, "align", "done", 2.0)


def test_a_quarantined_frame_tells_its_whole_history(store: Store) -> None:
    (key,) = add_frames(store, 1)
    stages = (StageRecord("align", 10.0, 2.0, "failed", reason="no stars"),)
    broke = FrameOutcome("failed", "align: no stars", stages=stages)
    commit_frame(store, claimed(store, owner="run-1/0"), broke, attempts=3, retry_s=0.0, run_id=None)
    claimed(store, owner="run-1/1")
    expire(store)
    dead = a_run(store)
    owner = runs.owner(dead.id or 0, 3)
    claimed(store, owner=owner)  # takes it back first
    runs.finish(store, dead.id or 0, "interrupted")
    assert fail(store, claimed(store, owner="run-9/0")) == "quarantined"
    assert told(store, key) == [
        ("align", 1, "failed", None),
        ("failed", 1, "queued", "run-1/0"),
        ("expired", 2, "queued", "run-1/1"),
        ("interrupted", 3, "queued", owner),
        ("failed", 3, "quarantined", "run-9/0"),
    ]
    reasons = [line.reason for line in history(store, key)]
    assert reasons[1] == "align: no stars"
    assert reasons[-1] == "it broke"


def test_hands_laid_upon_a_frame_are_remembered_with_their_owner(store: Store) -> None:
    (key, other) = add_frames(store, 1, 2)
    assert prioritise(store, [key, other], -5, "vera") == 2
    assert drop(store, [key], "trailed", "vera") == 1
    assert requeue(store, [key], "ada") == 1
    assert told(store, key) == [
        ("prioritised", 0, "queued", "vera"),
        ("dropped", 0, "dropped", "vera"),
        ("retried", 0, "queued", "ada"),
    ]
    assert [line.reason for line in history(store, key)] == ["priority -5", "trailed", None]
    assert told(store, other) == [("prioritised", 0, "queued", "vera")]


def test_what_did_not_happen_is_not_remembered(store: Store) -> None:
    (key,) = add_frames(store, 1)
    claimed(store)
    assert drop(store, [key]) == requeue(store, [key]) == prioritise(store, [key], 3) == 0
    assert told(store, key) == []


def test_a_lower_priority_runs_first(store: Store) -> None:
    first, _second, third = add_frames(store, 1, 2, 3)
    prioritise(store, [third], -1)
    prioritise(store, [first], 1)
    assert [claimed(store).observation.frame for _ in range(3)] == ["n3.fits", "n2.fits", "n1.fits"]


def test_a_frame_that_kills_its_runs_says_so(store: Store) -> None:
    (key,) = add_frames(store, 1)
    for _ in range(queue.MAX_INTERRUPTIONS):
        run = a_run(store)
        claimed(store, owner=runs.owner(run.id or 0))
        runs.finish(store, run.id or 0, "interrupted")
    events = told(store, key)
    assert len(events) == queue.MAX_INTERRUPTIONS
    assert events[-1][2] == row(store, key).state == "quarantined"


def test_two_that_move_the_same_frames_never_block_each_other_for_good(store: Store) -> None:
    keys = add_frames(store, *range(20))
    assert drop(store, [*reversed(keys), *keys]) == 20


@pytest.mark.parametrize(
    ("expression", "frames"),
    [
        ("", {1, 2, 3, 4}),
        ("state:rejected,quarantined", {2, 3}),
        ("state:quarantined filter:g", {3}),
        ("filter:R", set()),
        ("reason:*STARS*", {2}),
        ("reason:100%", set()),
        ('field:"m 31" kind:science', {1, 2, 3}),
        ("kind:Dark,science -frame:n4*", {1, 2, 3}),
        ("frame:n4*", {4}),
        ("path:/data/n*", {1, 2, 3, 4}),
        ("attempts>=1", set()),
        ("priority<0", {4}),
        ("mjd>60001 mjd<=60003", {2, 3}),
        ("depth>1", set()),
        ("-depth>1", {1, 2, 3, 4}),
        ("-state:rejected,quarantined", {1, 4}),
        ("-reason:*stars* -frame:n4*", {1, 3}),
        ("-filter:r mjd>60001", {3}),
        ("filter:g or reason:*stars* or priority<0", {2, 3, 4}),
        ("-(state:rejected or filter:g) mjd>60001", {4}),
    ],
)
def test_frames_are_found_by_what_is_known_of_them(store: Store, expression: str, frames: set[int]) -> None:
    keys = dict(
        zip(
            (
                *add_frames(store, 1),
                *add_frames(store, 2, state="rejected", reason="too few stars"),
                *add_frames(store, 3, state="quarantined", reason="broke", filter="g"),
                *add_frames(store, 4, field="M 33", priority=-2),
            ),
            (1, 2, 3, 4),
            strict=True,
        )
    )
    assert {keys[key] for key in matching(store, expression)} == frames


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("state:lost", ("state:lost", "quarantined")),
        ("kind:object", ("kind:object", "science, bias, dark, flat, alerts")),
        ("snr>7", ("snr>7", "attempts", "reason")),
        ("attempts:3", ("attempts is a number",)),
        ("reason>3", ("reason:VALUE",)),
        ("mjd>noon", ("noon",)),
        ("-state:lost", ("-state:lost", "quarantined")),
        ("quarantined", ("quarantined", "value")),
    ],
)
def test_a_term_that_means_nothing_is_refused_by_name(expression: str, named: tuple[str, ...]) -> None:
    with pytest.raises(FilterError) as refused:
        parse(expression)
    for part in named:
        assert part in str(refused.value)


def test_a_frame_in_a_killed_runs_hands_names_the_worker(store: Store) -> None:
    (key,) = add_frames(store, 1)
    dead = a_run(store)
    claimed(store, owner=runs.owner(dead.id or 0, 1))
    with store.write() as session:
        session.execute(update(Run).values(pid=gone_pid()))
    runs.reconcile(store)
    assert told(store, key) == [("interrupted", 1, "queued", f"run-{dead.id}/1")]
