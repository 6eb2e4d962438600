"""A training of the tree or the real-bogus network as a whole: examples, record and model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.errors import AstridError
from core.models.trainings import CHECKPOINT, FAILED, LABELLED, LOST, Training, read, trainings
from core.settings import Settings
from pipeline.classify.classify import Models
from pipeline.classify.model_file import ModelFile
from pipeline.classify.unet import UNet
from pipeline.training import examples as example_sets
from pipeline.training.candidate_models import Trained, fine_tune_realbogus, train_realbogus, train_tree
from pipeline.training.detected import kept_as, taking_part
from pipeline.training.examples import Examples
from pipeline.training.fields import told_by
from pipeline.training.recording import DONE, STOPPED, Recording
from pipeline.training.seeds import of_candidates
from pipeline.training.tree_train import TreeOptions

STOPPED_EARLY = "stopped while examples were made; the same command goes on with those that are there"
FIELD_PX = 512
SHOWN = 12  # characters of a digest
CHUNK = 20  # fields whose examples are kept in one file
EARLY = (STOPPED, LOST, FAILED)  # states of trainings that may go on
LEARNING = ("rate", "last_rate", "average")
# Parameters that may change while it is gone on with, or are looked at apart.
FREE = ("threads", "device", "examples_sha256", "code_sha256", "unet")

Report = Callable[[int, int, str], None]  # done, of how many, what


@dataclass(frozen=True, slots=True)
class CandidateRun:
    """What is asked of a training.

    Attributes
    ----------
    name : str
        ``tree`` or ``realbogus``.
    examples : Path, optional
        A set to learn from; else `fields` simulated ones.
    fields, seed : int
        No fields where a fine-tuning learns of labels alone.
    minutes : float, optional
        Of training, after which it ends; making examples is not counted.
    steps, width, threads : int
        Of the network; no steps: as many as the minutes allow, or, of a fine-tuning, by the examples.
    device : str
        ``cpu`` or ``cuda``, where the network learns.
    rate, last_rate, average : float, optional
        As `pipeline.training.realbogus_train.TrainOptions` has them; none: its own.
    """

    name: str
    examples: Path | None = None
    fields: int = 400
    seed: int = 1
    minutes: float | None = None
    steps: int = 4000
    width: int = 16
    threads: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    rate: float | None = None
    last_rate: float | None = None
    average: float | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """How the network learns, as far as that was chosen."""
        return {name: value for name in LEARNING if (value := getattr(self, name)) is not None}

    def record(self) -> dict[str, Any]:
        """How it learns, by name; `source_of` tells of what. Trees know nothing of how a network does."""
        if self.name == "tree":
            return {"name": self.name} | asdict(TreeOptions(seed=self.seed))
        return asdict(self)

    @property
    def simulates(self) -> bool:
        """Whether fields are simulated, in which the U-Net may take part in the detection."""
        return self.examples is None and self.fields > 0


@dataclass(frozen=True, slots=True)
class Tuning:
    """A network to begin with, and which layers learn: ``auto``, ``head`` or ``all``."""

    start: ModelFile
    layers: str = "auto"


def run(
    settings: Settings,
    wanted: CandidateRun,
    report: Report,
    stopped: Callable[[], bool],
    resume: bool = False,
    labelled: Examples | None = None,
    tuning: Tuning | None = None,
    models: Models | None = None,
    start: ModelFile | None = None,
) -> Training:
    """Train, and leave the record and the model in AstrID's home.

    Parameters
    ----------
    settings : Settings
    wanted : CandidateRun
    report : callable
    stopped : callable
        Asked at every step; where it answers True the training is kept as it stands.
    resume : bool
        Go on with the newest training of this model that has not ended by itself, and with the labels that
        it began with.
    labelled : Examples, optional
        What reviewers agree on, to be learnt from besides; of a training that is resumed its own are.
    tuning : Tuning, optional
        The network to begin with; it is fine-tuned, and cannot be gone on with later.
    models : mapping of str to (Path, str or None), optional
        Those in use: their U-Net takes part in the detection in simulated fields, as ``detect.unet`` of the
        settings has it.
    start : ModelFile, optional
        A real-bogus network that the training begins with instead of chance; all of it learns.

    Returns
    -------
    Training
        ``done``, or ``stopped``.

    Raises
    ------
    AstridError
        There is nothing to learn from or to go on with, or the device is not there.
    """
    if wanted.device != "cpu":
        from pipeline.training.checkpoint import on_device

        on_device(wanted.device)  # said before hours of fields
    asked = wanted.record() | source_of(settings, wanted, models or {})
    if start is not None:
        asked |= {"begun_from": start.digest, "width": start.description.config["width"]}
    if tuning is not None:
        asked |= {"start": tuning.start.digest, "layers": tuning.layers}
    parameters = asked | {"examples_sha256": ""}
    if resume:
        return _go_on(settings, wanted, parameters, report, stopped, models or {}, start)
    if labelled is None and wanted.examples is None and not wanted.fields:
        raise AstridError("there is nothing to learn from: reviewers agree on nothing yet; give --examples")
    with Recording(settings, wanted.name, parameters) as recording:
        if labelled is not None and wanted.name == "realbogus" and tuning is None:
            example_sets.write(labelled, recording.folder / LABELLED)  # labels may change before it goes on
        found = all_examples(settings, wanted, labelled, report, stopped, models or {})
        if found is None:
            recording.stopped(STOPPED_EARLY)
        else:
            recording.know(examples_sha256=found.digest)
            _made(wanted, tuning or start, found, recording, report, stopped)
    return _ended(recording)


def _go_on(
    settings: Settings,
    wanted: CandidateRun,
    parameters: dict[str, Any],
    report: Report,
    stopped: Callable[[], bool],
    models: Models,
    start: ModelFile | None,
) -> Training:
    """Go on with what was stopped; what is refused stays as it is, to be gone on with otherwise."""
    before = unfinished(settings, wanted.name, parameters)
    if _same(before.parameters) != _same(parameters):
        raise AstridError(
            f"training {before.key} was begun with other options; it goes on only with the same"
        )
    if (saw := before.parameters.get("unet")) != parameters.get("unet"):  # said before hours of fields
        which = "without a U-Net in its fields" if saw is None else f"with U-Net {saw[:SHOWN]} in its fields"
        raise AstridError(f"training {before.key} was begun {which}: begin anew without --resume")
    kept = before.folder / LABELLED
    labelled = example_sets.read(kept) if kept.exists() else None
    found = all_examples(settings, wanted, labelled, report, stopped, models)
    if found is None:
        return before
    if found.digest != before.parameters.get("examples_sha256"):
        raise AstridError(
            f"training {before.key} was begun with other examples; "
            "it goes on only with the same: begin anew without --resume"
        )
    known = parameters | {"examples_sha256": found.digest}
    with Recording(settings, wanted.name, known, before.key) as recording:
        _made(wanted, start, found, recording, report, stopped)
    return _ended(recording)


def _same(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for a training to be gone on with; its examples are looked at apart."""
    return {
        key: value
        for key, value in parameters.items()
        # Trainings that were begun before it could be chosen how they learn do not tell it.
        if key not in FREE and not (key in LEARNING and value is None)
    }


def _ended(recording: Recording) -> Training:
    """The training as its record tells of it; what only going on needs is removed where it is done."""
    training = read(recording.folder)
    if training is None:
        raise AstridError(f"the record of the training in {recording.folder} cannot be read")
    if training.state == DONE:
        for name in (CHECKPOINT, LABELLED):
            (recording.folder / name).unlink(missing_ok=True)
    return training


def all_examples(
    settings: Settings,
    wanted: CandidateRun,
    labelled: Examples | None,
    report: Report,
    stopped: Callable[[], bool],
    models: Models,
) -> Examples | None:
    """Those that are made or given, and what is labelled after them; none where making was stopped."""
    parts = [] if labelled is None else [labelled]
    if wanted.examples is not None or wanted.fields:
        made_of = examples_of(settings, wanted, report, stopped, models)
        if made_of is None:
            return None
        parts = [made_of, *parts]
    return example_sets.join(parts)


def _made(
    wanted: CandidateRun,
    begin: Tuning | ModelFile | None,
    found: Examples,
    recording: Recording,
    report: Report,
    stopped: Callable[[], bool],
) -> None:
    """Train, from a network or chance, or fine-tune; and record what came of it."""
    if isinstance(begin, Tuning):
        made = _tune(wanted, begin, found, recording, report, stopped)
    else:
        made = _train(wanted, begin, found, recording, report, stopped)
    if made.finished:
        recording.finish(made.digest, made.metrics, made.scorecard)
    elif isinstance(begin, Tuning):
        recording.stopped("stopped; a fine-tuning begins anew")
    else:
        recording.stopped("stopped; --resume goes on from here")


def unfinished(settings: Settings, name: str, parameters: Mapping[str, Any] | None = None) -> Training:
    """The newest training of a model that ended early, and kept what it goes on from.

    Where there are some with the same parameters it is the newest of these.

    Raises
    ------
    AstridError
        There is none.
    """
    early = [
        each
        for each in trainings(settings.home)
        if each.name == name and each.state in EARLY and (each.folder / CHECKPOINT).exists()
    ]
    if not early:
        raise AstridError(f"there is no training of {name} that ended early and can go on")
    alike = (each for each in early if parameters is not None and _same(each.parameters) == _same(parameters))
    return next(alike, early[0])


def _train(
    wanted: CandidateRun,
    start: ModelFile | None,
    found: Examples,
    recording: Recording,
    report: Report,
    stopped: Callable[[], bool],
) -> Trained:
    if recording.model.exists():  # it was written, but the record of it was not
        shutil.rmtree(recording.model)
    if wanted.name == "tree":
        report(0, 1, "growing trees")
        return train_tree(found, TreeOptions(seed=wanted.seed), recording.model)
    from pipeline.training.realbogus_train import TrainOptions

    plain = TrainOptions(
        steps=wanted.steps or None,
        minutes=wanted.minutes,
        width=wanted.width if start is None else int(start.description.config["width"]),
        seed=wanted.seed,
        threads=wanted.threads,
        device=wanted.device,
    )
    options = replace(plain, **wanted.chosen)

    def on_epoch(step: int, metrics: dict[str, float]) -> None:
        recording.step(step, metrics)
        done, of = step, wanted.steps
        if not of and wanted.minutes:
            done, of = int(metrics["seconds"]), round(60 * wanted.minutes)
        report(done, of, f"loss {metrics['loss']:.3f}")

    checkpoint = recording.folder / CHECKPOINT
    return train_realbogus(found, options, recording.model, checkpoint, on_epoch, stopped, start)


def _tune(
    wanted: CandidateRun,
    tuning: Tuning,
    found: Examples,
    recording: Recording,
    report: Report,
    stopped: Callable[[], bool],
) -> Trained:
    from pipeline.training.fine_tune import FineTuneOptions

    options = FineTuneOptions(
        tuning.layers, wanted.steps or None, seed=wanted.seed, threads=wanted.threads, device=wanted.device
    )
    return fine_tune_realbogus(tuning.start, found, options, recording.model, report, stopped)


def source_of(settings: Settings, wanted: CandidateRun, models: Models) -> dict[str, Any]:
    """Where the examples come from, as a training's parameters tell it: a file, or fields."""
    told: dict[str, Any] = {"examples": str(wanted.examples) if wanted.examples else None}
    if wanted.simulates:
        told |= {"fields": wanted.fields, "unet": _digest(taking_part(settings, models))}
        told |= {"followed": other} if (other := told_by(settings)) else {}
    return told


def examples_of(
    settings: Settings, wanted: CandidateRun, report: Report, stopped: Callable[[], bool], models: Models
) -> Examples | None:
    """Those of a file, or of simulated fields, which are kept in files so that none is made twice.

    Where the U-Net takes part, what it sees is among them: what a file keeps of another is not mixed with it.

    None where it was stopped before all were made.
    """
    if wanted.examples is not None:
        return example_sets.read(wanted.examples)
    network = taking_part(settings, models)
    folder = settings.home / "examples"
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Examples] = []
    every = of_candidates(wanted.seed, wanted.fields)
    for begin in every[::CHUNK]:
        seeds = range(begin, min(begin + CHUNK, every.stop))
        path = folder / f"{kept_as(_digest(network), settings)}{FIELD_PX}-{begin}-{len(seeds)}.npz"
        if stopped():
            return None
        if not path.exists():
            done = begin - every.start
            made = example_sets.of_seeds(seeds, FIELD_PX, _from(done, wanted, report), network, settings)
            example_sets.write(made, path)
        parts.append(example_sets.read(path))
    return example_sets.join(parts)


def _digest(network: UNet | None) -> str | None:
    return None if network is None else network.digest


def _from(done: int, wanted: CandidateRun, report: Report) -> Callable[[int, int], None]:
    """Tell of fields beyond those that are done."""
    return lambda fields, _examples: report(done + fields, wanted.fields, "fields")
