"""From a seed to a U-Net that can be served: fields, training, thresholds, export, each step resumable."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.settings import Settings
from pipeline.classify.model_file import Calibration, Description, ModelFile, read, write
from pipeline.classify.unet import ARCHITECTURE, CLASSES, NAME, STRIDE_PX, UNet
from pipeline.classify.unet_input import CHANNELS
from pipeline.training import field_cache, unet_scorecard
from pipeline.training.checkpoint import Device, TrainingError, on_device
from pipeline.training.conditions import PLAIN
from pipeline.training.fields import VERSION, TrainingField, field, told_by
from pipeline.training.real_fields import RealFields
from pipeline.training.recording import Recording
from pipeline.training.remembered import NIGHTS, numbers
from pipeline.training.seeds import UNET_HELD_OUT, of_unet
from pipeline.training.unet_choice import (
    Examined,
    calibration,
    examine,
    fields_of,
    point_threshold,
    streak_rate,
    streak_threshold,
)
from pipeline.training.unet_network import UNetwork, exported
from pipeline.training.unet_train import Training, TrainOptions, train

HELD_OUT = UNET_HELD_OUT.start  # seeds from here on are never trained on
STREAK_FREE = HELD_OUT + 500_000  # and of these, fields without streaks choose from where on one is shown
MOST_DIFFERENCE = 1e-4  # of the exported network's logits from torch's
METRIC_FIELDS = 8  # held-out fields that are measured after every epoch

Report = Callable[[int, int, str], None]  # done, of how many, what


class Halted(Exception):
    """It was asked to stop among fields that come before the first step, or after the last."""


@dataclass(frozen=True, slots=True)
class UnetRun:
    """What a run makes; ``false_alarms`` of the network alone per 2048 x 2048 pixels.

    On ``held_out`` fields the threshold of point sources is chosen, on ``streak_free`` others that of
    streaks, on ``judged`` others the scorecard is made. Rates of false streaks are told of fields as they
    usually are: of those to learn from half are hard ones. A field of 512 pixels has four patches of 256,
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


@dataclass(frozen=True, slots=True)
class Made:
    """A model that was written."""

    folder: Path
    digest: str
    metrics: dict[str, float]
    training: Path | None = None  # the folder of its record

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"folder": str(self.folder), "digest": self.digest, "metrics": self.metrics}


def run(
    settings: Settings, wanted: UnetRun, out: Path | None, report: Report, stopped: Callable[[], bool]
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
    checkpoint = home / "training" / f"unet-{made_of}.safetensors"

    parameters = asdict(wanted) | {"frames": None if wanted.frames is None else str(wanted.frames)}
    with Recording(settings, NAME, parameters) as recording:
        try:
            files = _training_fields(cache, real, wanted, settings, report, stopped)
            measured = _kept(cache, held[:METRIC_FIELDS], wanted.size, settings, report, stopped)
        except Halted:
            recording.stopped("stopped while fields were made; the same command goes on from here")
            return None

        recording.know(examples_sha256=field_cache.digest(files))

        def epoch(step: int, metrics: dict[str, float]) -> None:
            recording.step(step, metrics)
            report(step, wanted.steps, f"loss {metrics['loss']:.3f}")

        state = train(files, measured, options, checkpoint, epoch, stopped)
        if state.step < wanted.steps:
            recording.stopped("stopped; the same command goes on from here")
            return None
        try:
            published, card = _judged(
                state, options, files, wanted, settings, recording.model, report, stopped
            )
        except Halted:
            shutil.rmtree(recording.model, ignore_errors=True)  # what is not judged yet is no model
            recording.stopped("stopped after its last step; the same command goes on with the thresholds")
            return None
        recording.finish(published.digest, published.metrics, card)
        checkpoint.unlink(missing_ok=True)  # there is nothing to go on with
    if out is not None:
        shutil.copytree(published.folder, out)
    return replace(published, folder=out or published.folder, training=recording.folder)


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

    made = publish(
        state,
        options,
        files,
        drawn(usual, held, "thresholds"),
        drawn(plain, free, "fields without streaks"),
        wanted.false_alarms,
        out,
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


def publish(
    state: Training,
    options: TrainOptions,
    files: Sequence[Path],
    held_out: Iterable[TrainingField],
    streak_free: Iterable[TrainingField],
    false_alarms: float,
    out: Path,
) -> Made:
    """Export a training, choose its thresholds on held-out fields, and write it as a model."""
    content = exported(state.averaged)
    plain = _description(options, state, files)
    network = UNet(ModelFile(plain, "", {}, content), options.threads)
    _compare(state.averaged, network)
    found = examine(network, held_out)
    free = examine(network, streak_free)
    point, streak = point_threshold(found, false_alarms), streak_threshold(free)
    metrics = {**state.history[-1], **_counts(found, point, streak), **_streak_counts(free, streak)}
    description = plain.model_copy(
        update={
            "config": {**plain.config, "point_threshold": point, "streak_threshold": streak},
            "calibration": calibration(found),
            "trained": {**plain.trained, "metrics": metrics, "false_alarms": false_alarms},
        }
    )
    kept = state.averaged.state_dict().items()
    arrays = {key: value.numpy() for key, value in kept if value.dtype.is_floating_point}
    arrays[NIGHTS] = numbers(map(field_cache.name_of, files))
    return Made(out, write(out, description, arrays, content), metrics)


def _description(options: TrainOptions, state: Training, files: Sequence[Path]) -> Description:
    names = hashlib.sha256("\n".join(sorted(path.name for path in files)).encode()).hexdigest()
    return Description(
        kind="unet",
        architecture=ARCHITECTURE,
        config={"width": options.width, "point_threshold": 0.0, "streak_threshold": 0.0},
        inputs="image",
        classes=list(CLASSES),
        calibration=Calibration(),
        trained={
            "options": asdict(options),
            "steps": state.step,
            "fields": len(files),
            "data": names,
            "field_version": VERSION,
            "versions": {name: version(name) for name in ("torch", "numpy", "onnx", "onnxruntime")},
            "history": state.history,
        },
    )


def _compare(network: UNetwork, served: UNet) -> None:
    """Refuse an export that gives other numbers than torch, at sizes that it was not exported with."""
    random = np.random.default_rng(0)
    for height, width in ((9 * STRIDE_PX, 12 * STRIDE_PX), (5 * STRIDE_PX, 4 * STRIDE_PX)):
        planes = random.normal(0.0, 2.0, (CHANNELS, height, width)).astype(np.float32)
        with torch.inference_mode():
            ours = network(torch.from_numpy(planes[np.newaxis]))[0].numpy()
        theirs = served.logits(planes)
        if not float(np.abs(ours - theirs).max()) <= MOST_DIFFERENCE * max(1.0, float(np.abs(ours).max())):
            raise TrainingError("the exported network gives other numbers than the one that was trained")


def _counts(found: Examined, point: float, streak: float) -> dict[str, float]:
    kept = [
        each
        for each in found.seen
        if each.origin == "peak" or each.rank > (point if each.origin == "unet" else streak)
    ]
    counts = {}
    for origin in ("peak", "unet", "streak"):
        mine = [each for each in kept if each.origin == origin]
        counts[f"{origin}_real"] = float(sum(each.real for each in mine))
        counts[f"{origin}_false"] = float(sum(not each.real for each in mine))
    return {**counts, "held_out_megapixels": found.pixels / 1e6}


def _streak_counts(free: Examined, threshold: float) -> dict[str, float]:
    """What the threshold of streaks rests on."""
    patches, rate, high = streak_rate(free, threshold)
    if patches == 0:
        return {}
    return {
        "streak_free_patches": round(patches, 1),
        "false_streaks_per_patch": rate,
        "false_streaks_per_patch_high": high,
    }
