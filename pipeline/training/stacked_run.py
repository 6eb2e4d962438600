"""Trainings of the outlier detectors and of the ensemble as a whole: examples, record and model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from core.errors import AstridError
from core.models.names import ODD_BY
from core.models.trainings import Training, read
from core.settings import Settings
from pipeline.classify.classify import Classifier, Models
from pipeline.classify.ensemble import MEMBERS
from pipeline.classify.model_file import read as read_model
from pipeline.training import scored_fields
from pipeline.training.candidate_models import Trained
from pipeline.training.candidate_run import (
    FIELD_PX,
    STOPPED_EARLY,
    CandidateRun,
    Report,
    all_examples,
    source_of,
)
from pipeline.training.detected import taking_part
from pipeline.training.ensemble_models import train_ensemble
from pipeline.training.examples import Examples
from pipeline.training.fields import told_by
from pipeline.training.member_scores import weighable
from pipeline.training.outlier_models import train_outliers
from pipeline.training.outliers_train import OutlierOptions
from pipeline.training.recording import Recording
from pipeline.training.scored_fields import Scored
from pipeline.training.seeds import of_ensemble


def run_outliers(
    settings: Settings,
    models: Models,
    wanted: CandidateRun,
    report: Report,
    stopped: Callable[[], bool],
    labelled: Examples | None = None,
) -> list[Training]:
    """Fit both detectors, each as a training of its own; the first alone where that was stopped.

    The U-Net of the models takes part in the detection in simulated fields, if the settings let it.

    Parameters
    ----------
    settings : Settings
    models : mapping of str to (Path, str or None)
        Those in use.
    wanted : CandidateRun
        Of what is learnt, and by which seed.
    report : callable
    stopped : callable
    labelled : Examples, optional
        What reviewers agree on, to be learnt from besides.

    Raises
    ------
    AstridError
        There is too little to learn from.
    """
    options = OutlierOptions(seed=wanted.seed)
    parameters = options.record() | source_of(settings, wanted, models)
    done: list[Training] = []
    found: Examples | None = None
    for number, kind in enumerate(ODD_BY):
        with Recording(settings, kind, parameters) as recording:
            if found is None:
                found = all_examples(settings, wanted, labelled, report, stopped, models)
            if found is None:
                recording.stopped(STOPPED_EARLY)
            else:
                report(number, len(ODD_BY), kind)
                recording.know(examples_sha256=found.digest)
                _clear(recording.model)
                _finish(recording, train_outliers(kind, found, options, recording.model))
        done.append(_read(recording))
        if found is None:
            break
    return done


def run_ensemble(
    settings: Settings,
    models: Models,
    fields: int,
    seed: int,
    report: Report,
    stopped: Callable[[], bool],
    labelled: Scored | None = None,
) -> Training:
    """Weigh the models in use; the U-Net is one of them unless the settings switch it off.

    Parameters
    ----------
    settings : Settings
    models : mapping of str to (Path, str or None)
        Those in use.
    fields, seed : int
        Of what is simulated to weigh on.
    report : callable
    stopped : callable
    labelled : Scored, optional
        What reviewers agree on, with what the U-Net said of it. What a member learnt of is left out.

    Raises
    ------
    AstridError
        There is too little to learn from.
    """
    scorers = [each for each in Classifier.of(models).scorers if each.name in MEMBERS]
    network = taking_part(settings, models)
    members = {each.name: each.digest for each in scorers}
    members |= {} if network is None else {network.name: network.digest}
    parameters = {"fields": fields, "seed": seed, "members": members}
    parameters |= {"followed": other} if (other := told_by(settings)) else {}
    with Recording(settings, "ensemble", parameters) as recording:
        scored = scored_fields.make(
            settings.home / "examples" / "scored",
            of_ensemble(seed, fields),
            FIELD_PX,
            network,
            lambda done, total: report(done, total, "fields"),
            stopped,
            settings,
        )
        if stopped():
            recording.stopped("stopped; the same command goes on from the fields that were made")
        else:
            digest = None if network is None else network.digest
            labels = None if labelled is None else weighable(labelled, scorers, models, digest)
            _clear(recording.model)
            made = train_ensemble(scored, scorers, digest, recording.model, labels)
            about = read_model(recording.model, made.digest).description.trained
            recording.know(examples_sha256=about["examples_sha256"], labels=about.get("labels"))
            _finish(recording, made)
    return _read(recording)


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _finish(recording: Recording, made: Trained) -> None:
    recording.finish(made.digest, made.metrics, made.scorecard)


def _read(recording: Recording) -> Training:
    training = read(recording.folder)
    if training is None:
        raise AstridError(f"the record of the training in {recording.folder} cannot be read")
    return training
