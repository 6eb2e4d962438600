"""What commands do with a model that they made: make it a version, and tell MLflow of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import print_table, print_text, remark, settings_of, store_of
from core.errors import AstridError

if TYPE_CHECKING:
    from core.database.store import Store
    from core.models.trainings import Training
    from core.settings import Settings

NoSyncOption = Annotated[
    bool, typer.Option("--no-sync", help="Do not tell MLflow now; `astrid models sync` does later.")
]


def version_of(context: typer.Context, training: Training) -> int | None:
    """The number of the version that a training made; none where it made no model, or there is no store."""
    from core.database.store_errors import StoreMissing
    from core.no_room import no_room
    from pipeline.training.keeping import folder_of, keep_trained

    if training.digest is None:
        return None
    settings = settings_of(context)
    try:
        with closing(store_of(context)) as store:
            return keep_trained(store, settings, training).number
    except StoreMissing as missing:
        remark(f"the model is no version yet: {missing}; `astrid models sync` makes it one then")
        return None
    except OSError as error:
        if (why := no_room(error)) is None:
            raise
        place = folder_of(settings, training.digest).parent
        raise AstridError(
            f"the model in {training.folder} cannot be copied to {place}: {why}, then `astrid models sync`"
            " makes it a version"
        ) from error


def tell_mlflow_of(context: typer.Context, *records: dict[str, Any], no_sync: bool) -> None:
    """Tell MLflow of what trainings made, and put into their records what came of that."""
    from core.models.trainings import read

    is_made = any(record["version"] is not None for record in records)
    trouble = tell_mlflow(context) if is_made and not no_sync else None
    for record in records:
        training = read(Path(record["folder"]))
        record["is_published"] = training is not None and training.is_published
        record["registry_trouble"] = trouble


def tell_mlflow(context: typer.Context) -> str | None:
    """Tell MLflow of a version that was made just now; why it could not be told, if it could not.

    The version is kept by then: whatever befalls MLflow, the command has done what it was asked for.
    """
    from core.database.store_errors import StoreError

    try:
        with closing(store_of(context)) as store:
            return tell_registry(store, settings_of(context))
    except StoreError as error:
        remark(f"MLflow was not told: {error}; `astrid models sync` tells it later")
        return str(error)


def tell_registry(store: Store, settings: Settings) -> str | None:
    """Tell MLflow all that it does not know, and say in a remark why it could not be told, if so."""
    from pipeline.training import tracking

    told = tracking.sync(store, settings)
    if told.trouble:
        remark(f"{told.trouble}; `astrid models sync` tells it later")
    return told.trouble


def print_training(told: dict[str, Any]) -> None:
    """Say what came of a training."""
    from core.models.worth import no_gain, too_few

    if told["digest"] is None:
        print_text(f"{told['key']}: {told['reason']}")
        return
    print_text(f"The model is in {told['folder']}/model, digest {told['digest']}")
    metrics = told["metrics"]
    rows = [(name, too_few(metrics, name) or f"{value:.4g}") for name, value in metrics.items()]
    print_table(("metric", "value"), rows)
    if said := no_gain(metrics):
        remark("warning:", said)
    if told["version"] is not None:
        print_text(f"It is version {told['version']}: astrid models promote {told['name']} {told['version']}")
