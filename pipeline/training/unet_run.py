"""From a seed to a U-Net that can be served: fields, training, thresholds, export, each step resumable."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.settings import Settings
from pipeline.classify.model_file import read
from pipeline.classify.unet import NAME, UNet
from pipeline.training import field_cache, label_fields, unet_scorecard
from pipeline.training.checkpoint import Device, TrainingError, on_device
from pipeline.training.conditions import PLAIN
from pipeline.training.fields import TrainingField, field, told_by
from pipeline.training.keeping import copy_out
from pipeline.training.label_fields import LabelFields, Labels
from pipeline.training.outdated import WINDOWS
from pipeline.training.real_fields import RealFields
from pipeline.training.recording import Recording
from pipeline.training.seeds import UNET_HELD_OUT, of_unet
from pipeline.training.unet_choice import fields_of
from pipeline.training.unet_made import NO_LABELS, Made, publish
from pipeline.training.unet_train import Training, TrainOptions, train

HELD_OUT = UNET_HELD_OUT.start  # seeds from here on are never trained on
STREAK_FREE = HELD_OUT + 500_000  # and of these, fields without streaks choose from where on one is shown
METRIC_FIELDS = 8  # held-out fields that are measured after every epoch

Report = Callable[[int, int, str], None]  # done, of how many, what


class Halted(Exception):
    """It was asked to stop among fields that come before the first step, or after the last."""


@dataclass(frozen=True, slots=True)
class UnetRun:
    """What a run makes; ``false_alarms`` of the network alone per 2048 x 2048 pixels.

    On ``held_out`` fields the threshold of point sources is chosen, on ``streak_free`` others that of
    streaks, on ``judged`` others the scorecard is made. Rates of false streaks are told of fields as they
    usually are: of those to learn from most are hard ones. A field of 512 pixels has four patches of 256,
    less what is masked: fewer than some 260 fields cannot show that there are no more than .003 false
    streaks a patch.
    With ``frames`` every second field is of the frames in that folder. Thresholds are always chosen on
    simulated fields: real frames have no complete truth.
    """

    fields: int = 400
    held_out: int = 60
    streak_free: int = 1200
    size: int = 512
    steps: int = 4000
    width: int = 8
    seed: int = 1
    threads: int = 1
    device: Device = "cpu"
    batch: int = 4
    false_alarms: float = 2.0
    frames: Path | None = None
    judged: int = 20


def run(
    settings: Settings,
    wanted: UnetRun,
    out: Path | None,
    report: Report,
    stopped: Callable[[], bool],
    labels: Labels | None = None,
) -> Made | None:
    """Make a U-Net.

    Parameters
    ----------
    settings : Settings
        Fields and checkpoints are kept below ``home``.
    wanted : UnetRun
    out : Path, optional
        Where the model's folder is copied to; it is kept with the record of the training anyway.
    report : callable
        Progress.
    stopped : callable
        Asked between steps, and between the fields that come before and after them.
    labels : Labels, optional
        What reviewers agree on, to be learnt from besides. A training that is gone on with keeps those that
        it began with.

    Returns
    -------
    Made or None
        None where it was stopped.

    Raises
    ------
    TrainingError
        ``out`` exists, the device does not, or the checkpoint is of another training.
    """
    if out is not None and out.exists():
        raise TrainingError(f"{out} exists already")
    home = settings.home
    real = None if wanted.frames is None else RealFields(wanted.frames, settings)
    cache = home / "training" / f"fields-{wanted.size}"
    held = range(HELD_OUT, HELD_OUT + wanted.held_out)
    on_device(wanted.device)  # said before hours of fields
    options = TrainOptions(
        steps=wanted.steps,
        width=wanted.width,
        seed=wanted.seed,
        threads=wanted.threads,
        device=wanted.device,
        batch=wanted.batch,
    )
    data = f"simulated{told_by(settings)}" if real is None else real.name
    made_of = f"{wanted.width}-{wanted.seed}-{wanted.fields}x{wanted.size}-{data}"
    made_of += "" if labels is None else "-labels"
    checkpoint = home / "training" / f"unet-{made_of}.safetensors"
    windows_of = checkpoint.with_suffix(".json")

    parameters = asdict(wanted) | {"frames": None if wanted.frames is None else str(wanted.frames)}
    with Recording(settings, NAME, parameters) as recording:
        try:
            files = _training_fields(cache, real, wanted, settings, report, stopped)
            measured = _kept(cache, held[:METRIC_FIELDS], wanted.size, settings, report, stopped)
            if not checkpoint.exists():
                windows_of.unlink(missing_ok=True)  # of a training that nothing goes on with
            windows = _label_fields(home, windows_of, labels, settings, report, stopped)
        except Halted:
            recording.stopped("stopped while fields were made; the same command goes on from here")
            return None

        recording.know(examples_sha256=field_cache.digest([*files, *windows.learnt]), labels=windows.told)

        def epoch(step: int, metrics: dict[str, float]) -> None:
            recording.step(step, metrics)
            report(step, wanted.steps, f"loss {metrics['loss']:.3f}")

        state = train(files, measured, options, checkpoint, epoch, stopped, windows.learnt)
        if state.step < wanted.steps:
            recording.stopped("stopped; the same command goes on from here")
            return None
        try:
            published, card = _judged(
                state, options, files, windows, wanted, settings, recording.model, report, stopped
            )
        except Halted:
            shutil.rmtree(recording.model, ignore_errors=True)  # what is not judged yet is no model
            recording.stopped("stopped after its last step; the same command goes on with the thresholds")
            return None
        recording.finish(published.digest, published.metrics, card)
        for each in (checkpoint, windows_of):
            each.unlink(missing_ok=True)  # there is nothing to go on with
    if out is not None:
        copy_out(published.folder, published.digest, out)
    told = None if labels is None else windows.told
    return replace(published, folder=out or published.folder, training=recording.folder, labels=told)


def _label_fields(
    home: Path,
    kept: Path,
    labels: Labels | None,
    settings: Settings,
    report: Report,
    stopped: Callable[[], bool],
) -> LabelFields:
    """The windows of labelled frames: those that the training began with, or those of the labels now."""
    if labels is None:
        return NO_LABELS
    folder = home / "training" / WINDOWS
    found = label_fields.kept(kept, folder)
    if found is None:
        found = label_fields.make(folder, labels, settings, report, stopped)
        if found is None:
            raise Halted
        label_fields.keep(found, kept)
    return found


def _training_fields(
    cache: Path,
    real: RealFields | None,
    wanted: UnetRun,
    settings: Settings,
    report: Report,
    stopped: Callable[[], bool],
) -> list[Path]:
    """The files of all fields to train on."""
    files: list[Path] = []
    for number, seed in enumerate(of_unet(wanted.seed, wanted.fields)):
        one = range(seed, seed + 1)
        if real is not None and number % 2:
            files += field_cache.make(cache, one, wanted.size, source=real.field, kind=real.name)
        else:
            files += field_cache.make(cache, one, wanted.size, settings=settings)
        report(number + 1, wanted.fields, "fields")
        if stopped():
            raise Halted
    return files


def _kept(
    cache: Path,
    seeds: range,
    size: int,
    settings: Settings,
    report: Report,
    stopped: Callable[[], bool],
) -> list[Path]:
    """The files of the fields that are measured after every epoch."""
    files: list[Path] = []
    for number, seed in enumerate(seeds, start=1):
        files += field_cache.make(cache, range(seed, seed + 1), size, settings=settings)
        report(number, len(seeds), "fields to measure by")
        if stopped():
            raise Halted
    return files


def _judged(
    state: Training,
    options: TrainOptions,
    files: Sequence[Path],
    windows: LabelFields,
    wanted: UnetRun,
    settings: Settings,
    out: Path,
    report: Report,
    stopped: Callable[[], bool],
) -> tuple[Made, dict[str, Any] | None]:
    """The model of a training that is done, and what it is worth on fields that it was not chosen by."""
    held = range(HELD_OUT, HELD_OUT + wanted.held_out)
    free = range(STREAK_FREE, STREAK_FREE + wanted.streak_free)
    others = range(held.stop, held.stop + wanted.judged)
    usual = partial(field, settings=settings)
    plain = partial(usual, streaks=False, conditions=PLAIN)

    def drawn(
        make: Callable[[int, int], TrainingField], seeds: Sequence[int], what: str
    ) -> Iterator[TrainingField]:
        fields = fields_of(make, seeds, wanted.size, lambda done: report(done, len(seeds), what))
        return _until(stopped, fields)

    def drawn_windows(done: int) -> None:
        report(done, len(windows.held_out), "held-out labels")
        if stopped():
            raise Halted

    made = publish(
        state,
        options,
        files,
        drawn(usual, held, "thresholds"),
        drawn(plain, free, "fields without streaks"),
        wanted.false_alarms,
        out,
        windows,
        drawn_windows,
        has_own_frames=wanted.frames is not None,
    )
    network = UNet(read(made.folder, made.digest), wanted.threads)
    judged = unet_scorecard.judge(network, drawn(usual, others, "judging"))
    return made, unet_scorecard.summary(judged) if judged else None


def _until(stopped: Callable[[], bool], fields: Iterable[TrainingField]) -> Iterator[TrainingField]:
    """Some fields, until it is asked to stop."""
    for each in fields:
        if stopped():
            raise Halted
        yield each
