"""What samplers write and what is read from it: devices, draws, histories, the energy of runs and nights."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation, PowerDevice, PowerSample, Run, StageRun
from core.operations import power, power_log, runs
from core.operations.power_log import DeviceEnergy, DeviceFacts, SampleFacts
from core.review import verdicts
from core.review.judged import Judged, judged
from core.vocabulary import Label
from tests.core.rows import add_candidate, add_object

GPU = DeviceFacts("gpu0", "gpu", "H200", memory_mib=1000.0)
NO_CPU = DeviceFacts("cpu", "cpu", "CPU", reason="this machine shows no RAPL counters")


def write(store: Store, *samples: SampleFacts, host: str = "dome", sampler: str = "a", **more) -> None:
    power_log.write_samples(store, host, sampler, samples, **({"stale_s": 30.0} | more))


def add_run(store: Store, *, joules: dict[str, DeviceEnergy] | None, seconds: float = 10.0, **facts) -> int:
    """A run that ended, and what its devices took."""
    row = runs.start(store, engine="local", workers=1, config_hash="cafe")
    if joules is not None:
        write(store, run_id=row.id, energy=joules)
    with store.write() as db:
        run = db.get_one(Run, row.id)
        run.host, run.ended_at = "dome", run.started_at + seconds
        for name, value in facts.items():
            setattr(run, name, value)
    return row.id


def add_stage(store: Store, run_id: int, frame: int, stage: str, joules: float | None, **facts) -> None:
    with store.write() as db:
        if db.get(Observation, frame) is None:
            db.add(Observation(id=frame, content=f"{frame}", frame="f", path="f", created_at=1.0))
            db.flush()
        values = {"attempt": 1, "started_at": 1.0, "seconds": 2.0, "outcome": "done"} | facts
        db.add(StageRun(run_id=run_id, observation_id=frame, stage=stage, energy_j=joules, **values))


def test_a_device_is_shown_with_its_newest_sample_and_a_missing_one_with_its_reason(store: Store) -> None:
    power_log.announce(store, "dome", [NO_CPU, GPU])
    write(
        store, SampleFacts("gpu0", 100.0, watts=71.0), SampleFacts("gpu0", 101.0, 70.0, 9.0, 41.0, 0.5, 200.0)
    )
    gpu, cpu = power.devices(store)
    assert (gpu.device, gpu.host, gpu.kind, gpu.name, gpu.reason) == (
        "dome/gpu0",
        "dome",
        "gpu",
        "H200",
        None,
    )
    assert (gpu.at, gpu.watts, gpu.temperature_c, gpu.utilisation) == (101.0, 70.0, 41.0, 0.5)
    assert (gpu.memory_mib, gpu.memory_total_mib) == (200.0, 1000.0)
    assert (cpu.device, cpu.reason, cpu.at, cpu.watts) == ("dome/cpu", NO_CPU.reason, None, None)


def test_what_is_announced_later_replaces_what_was_missing(store: Store) -> None:
    power_log.announce(store, "dome", [DeviceFacts("gpu", "gpu", "GPU", reason="no NVIDIA driver")])
    power_log.announce(store, "elsewhere", [NO_CPU])
    power_log.announce(store, "dome", [GPU])
    assert [each.device for each in power.devices(store)] == ["dome/gpu0", "elsewhere/cpu"]
    power_log.announce(store, "dome", [DeviceFacts("gpu0", "gpu", "H200", reason="fallen off the bus")])
    assert power.devices(store)[0].reason == "fallen off the bus"


def test_two_samplers_that_find_one_device_at_once_do_not_stop_each_other(store: Store) -> None:
    with ThreadPoolExecutor(1) as other:
        with store.write() as db:
            db.add(PowerDevice(device="dome/gpu0", host="dome", kind="gpu", name="H200", seen_at=1.0))
            db.flush()
            announced = other.submit(power_log.announce, store, "dome", [GPU])
            wait([announced], 0.3)  # it waits for this transaction
        announced.result()
    assert [each.device for each in power.devices(store)] == ["dome/gpu0"]


def test_of_two_samplers_on_a_host_one_writes_until_it_lets_go_or_falls_silent(store: Store) -> None:
    power_log.announce(store, "dome", [GPU])
    write(store, SampleFacts("gpu0", 1.0, watts=1.0), sampler="first")
    write(store, SampleFacts("gpu0", 1.1, watts=1.0), sampler="second")
    assert sample_times(store) == [1.0]
    power_log.let_go(store, "first")
    write(store, SampleFacts("gpu0", 2.0, watts=1.0), sampler="second")
    assert sample_times(store) == [1.0, 2.0]
    write(store, SampleFacts("gpu0", 3.0, watts=1.0), sampler="third", stale_s=-1.0)
    assert sample_times(store) == [1.0, 2.0, 3.0]


def test_old_samples_are_forgotten_a_few_at_a_time_and_only_those_of_the_host(store: Store) -> None:
    for host in ("dome", "elsewhere"):
        power_log.announce(store, host, [GPU])
        write(store, *(SampleFacts("gpu0", float(at), watts=1.0) for at in range(6)), host=host)
    assert power_log.forget(store, "dome", before=4.0, limit=3) == 3
    assert power_log.forget(store, "dome", before=4.0, limit=3) == 1
    assert power_log.forget(store, "dome", before=4.0, limit=3) == 0
    assert sample_times(store) == [0, 1, 2, 3, 4, 4, 5, 5]


def test_the_draw_of_now_is_the_sum_of_what_is_fresh(store: Store) -> None:
    assert power.draw_now(store, now=100.0) is None
    gpus = [DeviceFacts(f"gpu{n}", "gpu", "H200") for n in range(3)]
    power_log.announce(store, "dome", gpus)
    write(
        store,
        SampleFacts("gpu0", 99.0, watts=70.0),
        SampleFacts("gpu1", 99.5, watts=80.5),
        SampleFacts("gpu2", 20.0, watts=500.0),  # stale
    )
    assert power.draw_now(store, now=100.0) == 150.5
    assert power.draw_now(store, now=1000.0) is None


def test_a_history_is_means_over_bins_with_gaps_where_nothing_was_sampled(store: Store) -> None:
    power_log.announce(store, "dome", [GPU])
    draws = {100.5: 10.0, 101.5: 20.0, 102.5: 30.0, 103.5: 50.0, 108.5: 70.0, 109.9: 90.0, 112.0: 1.0}
    write(store, *(SampleFacts("gpu0", at, watts=watts) for at, watts in draws.items()))
    found = power.history(store, "dome/gpu0", "watts", span_s=10.0, bins=5, now=109.95)
    assert (found.since, found.bin_s) == (100.0, 2.0)
    assert found.means == (15.0, 40.0, None, None, 80.0)
    assert power.history(store, "dome/gpu0", "temperature_c", span_s=10.0, bins=5, now=109.95).means == (
        (None,) * 5
    )


def test_bins_that_are_full_stay_as_they_are_while_time_goes_on(store: Store) -> None:
    power_log.announce(store, "dome", [GPU])
    write(store, *(SampleFacts("gpu0", 1000.0 + at, watts=float(at)) for at in range(60)))
    before = power.history(store, "dome/gpu0", "watts", span_s=40.0, bins=10, now=1050.5)
    after = power.history(store, "dome/gpu0", "watts", span_s=40.0, bins=10, now=1054.5)
    assert after.since == before.since + 4.0
    assert after.means[:8] == before.means[1:9]


def test_a_run_is_charged_by_device_frame_and_object_judged_real(store: Store) -> None:
    assert power.last_run(store) is None
    assert power.last_night(store) is None
    run_id = add_run(
        store,
        joules={
            "gpu0": DeviceEnergy(600.0, 10.0, "counter"),
            "cpu": DeviceEnergy(reason="this machine shows no RAPL counters"),
        },
    )
    for frame in (1, 2, 3):
        add_stage(store, run_id, frame, "read", 1.5)
        add_stage(store, run_id, frame, "subtract", 10.0 if frame < 3 else None)
    seen = add_object(store)  # in two frames: one discovery
    real, artefact = add_candidate(store, seen, observation_id=1), add_candidate(store, observation_id=2)
    add_candidate(store, seen, observation_id=3)
    fake = add_candidate(store, add_object(store, injected=True), observation_id=2)
    for candidate, label in ((real, Label.SUPERNOVA), (artefact, Label.DIPOLE), (fake, Label.REAL)):
        verdicts.decide(store, session="s", reviewer="r", candidate_id=candidate, label=label, shown={})
    use = power.last_run(store)
    assert use is not None
    assert (use.run_ids, use.joules, use.frames, use.judged_real) == ((run_id,), 600.0, 3, 1)
    assert (use.joules_per_frame, use.joules_per_real) == (200.0, 600.0)
    assert use.is_partial  # the processor's part is not known
    assert [(d.device, d.joules, d.measured, d.how) for d in use.devices] == [
        ("dome/cpu", None, 0.0, None),
        ("dome/gpu0", 600.0, 1.0, "counter"),
    ]
    assert use.devices[0].reason == "this machine shows no RAPL counters"
    assert [(s.stage, s.frames, s.seconds, s.joules) for s in use.stages] == [
        ("read", 3, 6.0, 4.5),
        ("subtract", 3, 6.0, None),  # one of them was not measured
    ]


def test_a_body_that_moves_is_one_object_judged_real(store: Store) -> None:
    run_id = add_run(store, joules={"gpu0": DeviceEnergy(600.0, 10.0, "counter")})
    for frame in (1, 2, 3):
        add_stage(store, run_id, frame, "read", 1.5)
        places = {"tracklet_id": 7} if frame < 3 else {}
        seen = add_candidate(store, add_object(store, **places), observation_id=frame)
        verdicts.decide(store, session="s", reviewer="r", candidate_id=seen, label=Label.REAL, shown={})
    use = power.last_run(store)
    assert use is not None
    assert (use.judged_real, use.joules_per_real) == (2, 300.0)
    assert judged(store) == Judged(real=2, bogus=0)


def test_runs_that_found_nothing_due_do_not_hide_the_one_that_took_frames(store: Store) -> None:
    took = add_run(store, joules={"gpu0": DeviceEnergy(600.0, 10.0, "counter")})
    add_stage(store, took, 1, "read", 1.5)
    idle = runs.start(store, engine="local", workers=1, config_hash="c").id or 0
    runs.finish(store, idle, counts={})
    assert power.last_run(store).run_ids == (took,)
    at_work = runs.start(store, engine="local", workers=1, config_hash="c").id
    assert power.last_run(store).run_ids == (at_work,)


@pytest.mark.parametrize("joules", [None, {}, {"gpu": DeviceEnergy(reason="no NVIDIA driver")}])
def test_a_run_that_was_not_measured_has_no_energy_and_no_ratio(store: Store, joules) -> None:
    run_id = add_run(store, joules=joules)
    add_stage(store, run_id, 1, "read", None)
    use = power.last_run(store)
    assert (use.joules, use.joules_per_frame, use.joules_per_real) == (None, None, None)
    assert use.frames == 1
    assert use.is_partial


def test_energy_of_a_part_of_the_time_is_partial(store: Store) -> None:
    add_run(store, joules={"gpu0": DeviceEnergy(50.0, 4.0, "draw", "fallen off the bus")}, seconds=10.0)
    use = power.last_run(store)
    assert use.is_partial
    assert use.devices[0].measured == pytest.approx(0.4)
    assert (use.devices[0].how, use.devices[0].reason) == ("draw", "fallen off the bus")
    add_run(store, joules={"gpu0": DeviceEnergy(50.0, 9.9, "counter")}, seconds=10.0)
    assert not power.last_run(store).is_partial


def test_a_night_is_all_runs_of_the_last_day_and_an_unmeasured_one_makes_it_partial(store: Store) -> None:
    measured = {"gpu0": DeviceEnergy(100.0, 10.0, "counter")}
    day = 86400.0
    now = 1.7e9
    for began, joules in ((now - 2 * day, measured), (now - 3600, measured), (now, measured)):
        run_id = add_run(store, joules=joules)
        with store.write() as db:
            run = db.get_one(Run, run_id)
            run.started_at, run.ended_at = began, began + 10.0
        add_stage(store, run_id, run_id, "read", 1.0)
    night = power.last_night(store)
    assert (night.joules, night.frames, night.joules_per_frame) == (200.0, 2, 100.0)
    assert (night.since, night.until, night.is_partial) == (now - 3600, now + 10.0, False)
    with store.write() as db:
        run = db.get_one(Run, run_id)
        run.energy, run.energy_j, run.ended_at = None, None, None
        run.heartbeat_at = now + 5.0
    night = power.last_night(store)
    assert (night.joules, night.until, night.is_partial) == (100.0, None, True)


def test_the_panel_shows_the_history_of_the_chosen_device_up_to_its_newest_sample(store: Store) -> None:
    power_log.announce(store, "dome", [GPU, DeviceFacts("gpu1", "gpu", "H200")])
    write(store, SampleFacts("gpu0", 1000.0, watts=1.0), SampleFacts("gpu1", 2000.0, watts=2.0))
    asked = {"quantity": "watts", "span_s": 10.0, "bins": 2}
    for device, at, watts in ((None, 1000.0, 1.0), ("dome/gpu1", 2000.0, 2.0), ("gone/gpu0", 1000.0, 1.0)):
        history = power.panel(store, device=device, **asked).history
        assert history.means[-1] == watts
        assert history.since <= at < history.since + 10.0


def test_a_panel_without_devices_or_runs_is_empty(store: Store) -> None:
    found = power.panel(store, device=None, quantity="watts", span_s=10.0, bins=2)
    assert (found.devices, found.history, found.run, found.night) == ((), None, None, None)


def test_sums_over_runs_are_read_again_when_a_run_ended_a_verdict_fell_or_they_grew_old(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"device": None, "quantity": "watts", "span_s": 10.0, "bins": 2}
    run_id = add_run(store, joules={"gpu0": DeviceEnergy(10.0, 10.0, "counter")})
    known = power.panel(store, **asked)
    add_stage(store, run_id, 1, "read", 1.0)
    assert power.panel(store, **asked, known=known).run.frames == 0
    candidate = add_candidate(store, observation_id=1)
    verdicts.decide(store, session="s", reviewer="r", candidate_id=candidate, label=Label.REAL, shown={})
    known = power.panel(store, **asked, known=known)
    assert (known.run.frames, known.run.judged_real) == (1, 1)
    add_run(store, joules=None)
    assert power.panel(store, **asked, known=known).run.frames == 0
    monkeypatch.setattr(power, "ENERGY_EVERY_S", 0.0)
    known = power.panel(store, **asked)
    add_stage(store, known.run.run_ids[0], 2, "read", 1.0)
    assert power.panel(store, **asked, known=known).run.frames == 1


def sample_times(store: Store) -> list[float]:
    with store.read() as db:
        return sorted(db.exec(select(PowerSample.at)))
