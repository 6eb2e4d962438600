"""`astrid models list|card|promote|rollback|sync`: versions of models, and which is in use."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import model_names
from astrid_tui.cli.invocation import (
    JsonOption,
    confirm,
    print_json,
    print_table,
    print_text,
    remark,
    settings_of,
    storable,
    store_of,
)
from astrid_tui.cli.models_kept import NoSyncOption, tell_registry
from core.errors import AstridError
from core.login import login_name
from core.models.names import NAMES
from core.vocabulary import ExitCode
from screens.ages import moment

if TYPE_CHECKING:
    from core.database.store import Store
    from core.database.tables import TrainedModel
    from core.settings import Settings

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", autocompletion=model_names, help=f"The model: {', '.join(NAMES)}."),
]
ReasonOption = Annotated[str | None, typer.Option("--because", help="Why; it is kept.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``astrid models``."""
    app.command(name="list")(list_)
    app.command()(card)
    app.command()(promote)
    app.command()(rollback)
    app.command()(sync)


def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List models and their versions, and which is in use. Version 0 came with AstrID, and needs no store."""
    from core.database.store_errors import StoreMissing
    from core.models import files, versions
    from core.models.overview import shipped_worth
    from core.models.registry import read_registry

    settings = settings_of(context)
    used = {name: versions.InUse(name, versions.SHIPPED, None) for name in NAMES}
    before: dict[str, int | None] = dict.fromkeys(NAMES)
    rows: Sequence[TrainedModel] = ()
    with suppress(StoreMissing), closing(store_of(context, read_only=True)) as store:
        rows = versions.versions(store)
        used = versions.in_use(store, NAMES)
        before = {name: versions.previous(store, name) for name in NAMES}
    records = [
        {
            "name": name,
            "in_use": used[name].number,
            "previous": before[name],
            "trouble": files.champion_trouble(settings.home, used[name]),
            "shipped": shipped_worth(name),
            "versions": [_record(row, used[name].number) for row in rows if row.name == name],
        }
        for name in NAMES
    ]
    registry = read_registry(settings)
    if as_json:
        registered = [model.record() for model in registry.models]
        told = {"registry": registry.place, "trouble": registry.trouble, "registered": registered}
        print_json({**told, "models": records})
        return
    if registry.trouble is not None:
        remark(registry.trouble)
    for each in records:
        if each["trouble"] is not None:
            remark(each["trouble"])
    print_table(
        ("model", "version", "made", "by", "use", "registry", "metrics"),
        _table(records),
        least=(("registry",), ("made",), ("by",)),
    )
    if not rows:
        print_text("No version was trained or imported yet: those that AstrID came with are in use.")


def card(
    context: typer.Context,
    name: NameArgument,
    number: Annotated[
        int | None,
        typer.Argument(metavar="NUMBER", callback=storable, help="The version; default: the one in use."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell all that is known of one version: what it is, what it was trained on, what it is worth."""
    from core.database.store_errors import StoreMissing
    from core.models import files, members, versions
    from core.models.weighed import ENSEMBLE

    known_name(name)
    home = settings_of(context).home
    try:
        store = store_of(context, read_only=True)
    except StoreMissing:
        if number not in (None, versions.SHIPPED):
            raise
        told = {"name": name, "number": versions.SHIPPED, "in_use": True, "promotions": []}
        facts = {"trouble": files.trouble(home, name, None), **_shipped(name, home)}
        _tell_card(facts | told, as_json=as_json)
        return
    with closing(store):
        used = versions.in_use(store, [name])[name].number
        number = used if number is None else number
        if number == versions.SHIPPED:
            facts = {"trouble": files.trouble(home, name, None), **_shipped(name, home)}
        else:
            row = versions.version(store, name, number)
            facts = {
                "trouble": files.trouble(home, name, row.digest),
                **_record(row, used),
                "description": row.description,
                "scorecard": row.scorecard,
            }
        history = [
            {
                "at": each.promoted_at,
                "by": each.promoted_by,
                "kind": each.kind,
                "number": each.number,
                "previous": each.previous,
                "reason": each.reason,
            }
            for each in versions.promotions(store, name)
        ]
        if used == number:
            facts["remark"] = members.remark(store) if name == ENSEMBLE else None
    facts.setdefault("judged", None)  # only what AstrID came with was
    facts |= {"name": name, "number": number, "in_use": used == number, "promotions": history}
    _tell_card(facts, as_json=as_json)


def promote(
    context: typer.Context,
    name: NameArgument,
    number: Annotated[
        int,
        typer.Argument(
            metavar="NUMBER", callback=storable, help="The version; 0 is the one that AstrID came with."
        ),
    ],
    because: ReasonOption = None,
    yes: YesOption = False,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a version be used from the next frame on. Running pipelines take it up by themselves.

    Before that it is tried: one that does not score here is refused.
    """
    from core.models import files, versions
    from pipeline.training.tracking import fetch

    known_name(name)
    settings = settings_of(context)
    with closing(store_of(context)) as store:
        folder = None
        if number != versions.SHIPPED:
            digest = versions.version(store, name, number).digest
            trouble = files.trouble(settings.home, name, digest)
            folder = fetch(store, settings, name, number)  # with damaged files it must not be promoted
            if trouble is not None:
                remark(f"brought its files from the registry: here, {trouble}")
        used = versions.in_use(store, [name])[name].number
        if used == number:
            _tell_same(number, name, as_json=as_json)
            return
        if folder is not None:
            _refuse_failing(store, folder, name, number)
        for each in (number, used):
            remark(f"version {each}{' (in use)' if each == used else ''}: {_worth(store, name, each)}")
        confirm(f"Version {number} of {name} will be used instead of {used}.", "promote", yes=yes)
        row = versions.promote(store, name, number, by=login_name(), reason=because)
        _tell_change(store, settings, row.number, row.previous, name, no_sync=no_sync, as_json=as_json)


def rollback(
    context: typer.Context,
    name: NameArgument,
    because: ReasonOption = None,
    yes: YesOption = False,
    no_sync: NoSyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let the version that was in use before be used again."""
    from core.models import versions
    from pipeline.training.tracking import fetch

    known_name(name)
    settings = settings_of(context)
    with closing(store_of(context)) as store:
        before = versions.previous(store, name)
        if before is not None:
            if before != versions.SHIPPED:
                fetch(store, settings, name, before)
            used = versions.in_use(store, [name])[name].number
            confirm(f"Version {before} of {name} will be used again instead of {used}.", "rollback", yes=yes)
        row = versions.rollback(store, name, by=login_name(), reason=because)
        _tell_change(store, settings, row.number, row.previous, name, no_sync=no_sync, as_json=as_json)


def sync(context: typer.Context, as_json: JsonOption = False) -> None:
    """Tell MLflow what it does not know yet: trainings, versions, and which is in use.

    Before that, trainings that are done and no versions yet, as the store was away, become versions. Exit
    code 4 where MLflow cannot be told; nothing is lost, and the next time tells it.
    """
    from pipeline.training import keeping, tracking

    settings = settings_of(context)
    with closing(store_of(context)) as store:
        adopted = keeping.adopt(store, settings, remark)
        told = tracking.sync(store, settings, None if as_json else remark)
    if as_json:
        became = [{"name": row.name, "number": row.number, "training": row.training} for row in adopted]
        print_json({"adopted": became, **told.record()})
    else:
        print_text(
            f"MLflow was told of {told.trainings} trainings, {told.versions} versions, {told.aliases} aliases"
        )
        if told.trouble:
            remark(told.trouble)
    if told.trouble:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def known_name(name: str) -> None:
    """Refuse a model that does not exist.

    Raises
    ------
    AstridError
    """
    if name not in NAMES:
        raise AstridError(f"there is no model '{name}'; there are {', '.join(NAMES)}")


def _refuse_failing(store: Store, folder: Path, name: str, number: int) -> None:
    from core.models import versions
    from pipeline.classify.first_run import see_that_it_runs
    from pipeline.classify.model_file import ModelRefused

    try:
        see_that_it_runs(folder, versions.version(store, name, number).digest, name)
    except ModelRefused as refused:
        raise AstridError(f"version {number} of {name} cannot be used: {refused}") from None


def _worth(store: Store, name: str, number: int) -> str:
    """What a version is known to be worth, and how it can be held against others."""
    from core.models import versions
    from core.models.overview import shipped_worth
    from core.models.worth import HELD_OUT, in_short, no_gain

    if number == versions.SHIPPED:
        worth = shipped_worth(name)
        return f"{worth}, on fields that no training draws" if worth else "nothing is known of its worth"
    trained = versions.version(store, name, number).description.get("trained")
    metrics = trained.get("metrics") if isinstance(trained, dict) else None
    worth = in_short(None, metrics)
    count = metrics.get(HELD_OUT) if isinstance(metrics, dict) else None
    examples = f"{count:.0f} examples" if isinstance(count, int | float) else "examples"
    beside = f"`astrid models evaluate --version {name}={number}` judges it"
    if said := no_gain(metrics):
        return f"{said}; {beside}"
    return f"{worth}, on {examples} of its own training; {beside}" if worth else f"{beside}: no one did"


def _tell_change(
    store: Store, settings: Settings, number: int, before: int, name: str, *, no_sync: bool, as_json: bool
) -> None:
    from core.models import members

    said = members.remark(store)
    if said is not None:
        remark(said)
    trouble = None if no_sync else tell_registry(store, settings)
    if as_json:
        print_json(
            {"name": name, "in_use": number, "was": before, "registry_trouble": trouble, "remark": said}
        )
    else:
        print_text(f"Version {number} of {name} is in use from the next frame on; it was {before}.")
        if (kept := members.kept_scores(name)) is not None:
            print_text(f"{kept}.")


def _tell_card(facts: dict[str, Any], *, as_json: bool) -> None:
    from astrid_tui.cli.models_card import card_lines

    if as_json:
        print_json(facts)
        return
    for line in card_lines(facts):
        print_text(line)


def _tell_same(number: int, name: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "in_use": number, "was": number, "registry_trouble": None, "remark": None})
    else:
        print_text(f"Version {number} of {name} is in use already.")


def _record(row: TrainedModel, used: int) -> dict[str, Any]:
    return {
        "name": row.name,
        "number": row.number,
        "digest": row.digest,
        "origin": row.origin,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "training": row.training,
        "in_use": row.number == used,
        "registry_version": row.registry_version,
        "metrics": dict((row.description.get("trained") or {}).get("metrics") or {}),
    }


def _table(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    from core.models.worth import in_a_line

    rows: list[tuple[Any, ...]] = []
    for model in records:
        used = "in use" if model["trouble"] is None else "in use, damaged"
        for each in model["versions"]:
            use = used if each["in_use"] else "previous" if each["number"] == model["previous"] else ""
            rows.append(
                (
                    model["name"],
                    each["number"],
                    date_of(each["created_at"]),
                    each["origin"],
                    use,
                    each["registry_version"] or "not told yet",
                    in_a_line(each["metrics"]),
                )
            )
        shipped = used if model["in_use"] == 0 else "previous" if model["previous"] == 0 else ""
        rows.append((model["name"], 0, None, "AstrID", shipped, None, model["shipped"]))
    return rows


def _shipped(name: str, home: Path) -> dict[str, Any]:
    from core.models.shipped import judged, kept_scorecard
    from pipeline.classify.chosen import shipped_folder
    from pipeline.classify.model_file import read

    model = read(shipped_folder(name))
    return {
        "digest": model.digest,
        "origin": "AstrID",
        "judged": judged(name, model.digest),
        "description": model.description.model_dump(mode="json"),
        "scorecard": kept_scorecard(home, model.digest) or model.description.trained.get("scorecard"),
    }


def date_of(at: float | None) -> str | None:
    """A moment in UTC, as a table shows it."""
    return None if at is None else moment(at, "%Y-%m-%d %H:%M")
