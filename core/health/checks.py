"""Is everything well? Each check turns facts into a state and one sentence; nothing is asked here.

What `core.health.facts` gathers goes in, so that the same checks serve `astrid doctor`, whatever is at
work, and the console. A check that finds nothing wrong says so once; one that does says so once for
each trouble it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote
from typing import TYPE_CHECKING

from core.health.check import Check, State, ago, number
from core.health.machine_checks import clock, disk, gpu, store
from core.models.versions import SHIPPED
from core.settings_sections import HealthSettings
from core.sun import altitude_deg

if TYPE_CHECKING:
    from core.database.tables import Run
    from core.health.facts import Facts, StoreFacts


LISTED = 5  # troubles of one kind that are told one by one
MOST_COUNTED = 1000  # cards: that there are more tells no more
SESSION_FRAMES = 30  # so many missed in a row, an hour at least: the camera has ended its night
SESSION_S = 3600.0
WATCHER_S = 60.0  # a watcher may be silent for so long, however often it looks


def examine(facts: Facts, limits: HealthSettings) -> list[Check]:
    """Check everything.

    Parameters
    ----------
    facts : Facts
    limits : HealthSettings
        From when on something is wrong.
    """
    found = [*disk(facts, limits), clock(facts, limits)]
    if facts.store.trouble is not None:
        return [Check("store", "failed", facts.store.trouble), *found]
    found.insert(0, store(facts))
    checks: tuple[Callable[[Facts, HealthSettings], Iterator[Check]], ...] = (
        _queue,
        _frames,
        _sky,
        _runs,
        _watch,
        _camera,
        _prefect,
        gpu,
        _models,
        _alerts,
    )
    for check in checks:
        name = check.__name__.removeprefix("_")
        found += list(check(facts, limits)) or [Check(name, "ok", "nothing is wrong")]
    return found


def worst(checks: list[Check]) -> State:
    """The gravest state of some checks."""
    ranks: tuple[State, ...] = ("failed", "warning", "ok")
    return next((state for state in ranks if any(check.state == state for check in checks)), "unknown")


def unlinked(frames: int) -> str:
    """What becomes of the frames of runs that were broken off."""
    return (
        f"{number(frames, 'frame')} of a run that was broken off: `astrid run` looks for the tracklets,"
        " though no frame be due"
    )


def _queue(facts: Facts, limits: HealthSettings) -> Iterator[Check]:
    store = facts.store
    at_work = [run for run in store.running if not _is_gone(run, facts)]
    if store.due_since is None:
        yield Check("queue", "ok", "no frame is queued")
        return
    frames = number(store.due, "frame")
    age = facts.now - store.due_since
    message = f"{frames} due, the oldest for {ago(age)}"
    if age <= limits.queue_age_s:
        yield Check("queue", "ok", message)
    elif at_work:
        yield Check("queue", "warning", f"{message}: processing does not keep up")
    else:
        yield Check("queue", "warning", f"{message}, and no run is at work: `astrid run`")


def _frames(facts: Facts, _: HealthSettings) -> Iterator[Check]:
    """Frames that stand still and need somebody."""
    store = facts.store
    if store.quarantined:
        yield Check(
            "frames",
            "warning",
            f"{_quarantined(store)} quarantined, for a person to look at: `astrid queue list` tells why",
            cause="quarantined",
        )
    if store.silent_leases:
        yield Check(
            "frames",
            "warning",
            f"{number(store.silent_leases, 'frame')} in the hands of workers that fell silent: the next"
            " run takes them back",
            cause="leases",
        )
    if not (store.quarantined or store.silent_leases):
        yield Check("frames", "ok", "none is quarantined, none is held by a worker that fell silent")


def _sky(facts: Facts, _: HealthSettings) -> Iterator[Check]:
    """What no card tells of, for it is too bright to be measured."""
    for each in facts.store.new_light[:LISTED]:
        message = f"look at {each.place}: saturated in {each.frame}, and faint in its reference"
        yield Check("sky", "warning", message, cause=each.key)
    further = len(facts.store.new_light) - LISTED
    if further > 0:
        message = (
            f"{number(further, 'further place')} with a new source that is saturated: `astrid queue list"
            " --filter 'reason:\"*saturated here*\"'` tells of their frames"
        )
        yield Check("sky", "warning", message, cause="further")
    if not facts.store.new_light:
        yield Check("sky", "ok", "no frame of a day has a new source that is saturated")


def _runs(facts: Facts, limits: HealthSettings) -> Iterator[Check]:
    well = 0
    for run in facts.store.running:
        silent = facts.store_now - run.heartbeat_at
        cause = f"run {run.id}"
        if _is_gone(run, facts):
            message = (
                f"process {run.pid} of run {run.id} is gone: the next run frees its frames, and links the"
                " tracklets of what it did"
            )
            yield Check("runs", "failed", message, cause, facts.host)
        elif silent > limits.silent_s:
            message = f"run {run.id} on {run.host} has been silent for {ago(silent)}"
            yield Check("runs", "warning", message, cause)
        else:
            well += 1
    since = facts.store_now - limits.lost_run_s
    lately = [run for run in facts.store.lost if (run.ended_at or run.heartbeat_at) > since]
    for run in lately[:LISTED]:
        message = f"run {run.id} was lost: {run.reason or 'no reason was kept'}"
        yield Check("runs", "warning", message, f"run {run.id}")
    if unlooked := 0 if well else facts.store.unlinked:  # else the one at work sees to them
        yield Check("runs", "warning", unlinked(unlooked), "tracklets")
    if well == len(facts.store.running) and not (lately or unlooked):
        yield Check("runs", "ok", f"{number(well, 'run')} at work")


def _is_gone(run: Run, facts: Facts) -> bool:
    return run.id in facts.gone_runs


def _watch(facts: Facts, _: HealthSettings) -> Iterator[Check]:
    watched = [folder for folder in facts.store.folders if folder.watcher is not None]
    well = 0
    for folder in watched:
        silent = facts.store_now - folder.heartbeat_at
        place = f"{folder.host}:{folder.path}"
        if silent > max(5 * folder.interval_s, WATCHER_S):
            message = (
                f"nobody watches {folder.path}: {folder.host} fell silent {ago(silent)} ago;"
                f" if it is gone for good: `astrid watch --forget {quote(place)}`"
            )
        elif folder.problem is not None:
            message = f"{folder.path} is not watched, or not in full: {folder.problem}"
        else:
            well += 1
            continue
        yield Check("watch", "failed", message, place)
    if well == len(watched):
        yield Check("watch", "ok", f"{number(well, 'folder')} watched")


def _camera(facts: Facts, limits: HealthSettings) -> Iterator[Check]:
    """Is it time for a frame that did not come?"""
    cadence, last = facts.cadence_s, facts.store.last_arrival_at
    if not cadence and all(folder.watcher is None for folder in facts.store.folders):
        # Not "unknown": what was missed before the watch was ended, as in the morning, would be for ever.
        yield Check("camera", "ok", "no frame is expected: no folder is watched")
        return
    if not cadence:
        yield Check("camera", "unknown", "its cadence is not known: set cadence_s of [camera]")
        return
    if last is None:
        yield Check("camera", "unknown", "no frame has come yet")
        return
    missing, allowed = facts.now - last, limits.missed_frames * cadence
    message = f"the last frame came {ago(missing)} ago, one every {ago(cadence)} is expected"
    if missing <= allowed:
        yield Check("camera", "ok", message)
    elif _is_observing(facts, limits, missing, cadence):
        yield Check("camera", "warning", message)
    else:
        yield Check("camera", "ok", f"not observing; the last frame came {ago(missing)} ago")


def _is_observing(facts: Facts, limits: HealthSettings, missing: float, cadence: float) -> bool:
    """Whether frames are expected: in the dark of a known site, else until the camera seems to have ended."""
    if facts.site is None:
        return missing < max(SESSION_FRAMES * cadence, SESSION_S)
    # Also a while ago: at dusk the first frames are still to be taken.
    moments = (facts.now, facts.now - limits.missed_frames * cadence)
    return all(altitude_deg(at, *facts.site) < limits.night_sun_deg for at in moments)


def _prefect(facts: Facts, _: HealthSettings) -> Iterator[Check]:
    server = facts.prefect
    needed = [run for run in facts.store.running if run.engine == "prefect"]
    if server is None:
        yield Check("prefect", "unknown", "not asked")
    elif server.state == "ready":
        yield Check("prefect", "ok", server.message)
    elif server.state == "unusable":
        yield Check("prefect", "failed" if needed else "warning", server.message, host=facts.host)
    elif needed:
        message = f"{server.message}, and run {needed[0].id} needs it"
        yield Check("prefect", "failed" if server.state == "absent" else "ok", message, host=facts.host)
    else:
        yield Check("prefect", "ok", f"{server.message}; local runs do without")


def _models(facts: Facts, _: HealthSettings) -> Iterator[Check]:
    """Do the versions score that are in use, or others in their place?"""
    for used, what in facts.damaged_models:
        mend = (
            f"`astrid models promote {used.name} {used.number}` brings its files back where the registry has"
            f" them, `astrid models rollback {used.name}` goes back to the version before"
        )
        if used.number == SHIPPED:
            mend = "install AstrID anew"
        yield Check("models", "warning", f"{what}: {mend}", cause=used.name, host=facts.host)
    if unscored := facts.store.unscored:
        many = f"{MOST_COUNTED} cards and more" if unscored >= MOST_COUNTED else number(unscored, "card")
        yield Check(
            "models",
            "warning",
            f"{many} of the queue without a score: `astrid models rescore` gives scores; until then what is"
            " without stands before all that models scored, by |snr|",
            cause="unscored",
        )
    if facts.damaged_models or unscored:
        return
    if facts.store.used:
        yield Check("models", "ok", "none in use is damaged")
    else:
        yield Check("models", "ok", "no run on this machine scored by any yet, so none was looked at")


def _alerts(facts: Facts, _: HealthSettings) -> Iterator[Check]:
    """Does whoever should be told of troubles take what is sent?"""
    for each in facts.store.failing:
        message = (
            f"{each.receiver} of [alerts] did not take {number(each.messages, 'message')}, tried"
            f" {number(each.tries, 'time')}: {each.problem}"
        )
        yield Check("alerts", "warning", message, cause=each.receiver)
    if not facts.store.failing:
        yield Check("alerts", "ok", "nobody fails to take them")


def _quarantined(store: StoreFacts) -> str:
    frames = store.quarantined - store.damaged_alerts
    told = [number(frames, "frame")] if frames else []
    if store.damaged_alerts:
        told.append(number(store.damaged_alerts, "file") + " of alerts")
    return " and ".join(told)
