"""`astrid health`: what is wrong, who has seen it, and a look at everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.doctor import SIGNS
from astrid_tui.cli.invocation import (
    JsonOption,
    is_read_only,
    person_of,
    print_json,
    print_table,
    print_text,
    remark,
    settings_of,
    storable,
    store_of,
)
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.health.events import Event

MOST = 1000  # events of one list

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Troubles: look for them, list them.")


@app.command(name="check")
def check(
    context: typer.Context,
    alert: Annotated[
        bool, typer.Option("--alert", help="Tell whoever the settings name of what nobody was told of yet.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at everything once and record what is wrong; fit for cron.

    Exit code 4 where anything has failed, 0 with warnings alone.
    """
    from core.health.checks import worst
    from core.health.watch import look, tell

    settings = settings_of(context)
    # What --read-only looks at is told and not recorded.
    store = store_of(context, read_only=is_read_only(context) and not alert)
    try:
        checks = look(settings, store)
        told = tell(settings.alerts, store) if alert else 0
    finally:
        store.close()
    if as_json:
        print_json({"checks": [each.record() for each in checks], "alerts": told})
    else:
        for each in checks:
            print_text(SIGNS[each.state], f"{each.name:8}", each.message)
    if worst(checks) == "failed":
        raise typer.Exit(ExitCode.UNAVAILABLE)


@app.command(name="list")
def list_(
    context: typer.Context,
    past: Annotated[bool, typer.Option("--all", help="Also those that are over and were seen.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Events at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the troubles that last, and those that nobody has seen yet."""
    from core.health.events import listed

    store = store_of(context, read_only=True)
    try:
        events = listed(store, past=past, limit=limit + 1)
    finally:
        store.close()
    if len(events) > limit:
        events = events[:limit]
        ways = [] if limit == MOST else [f"--limit lists up to {MOST}"]
        ways += [] if past else ["`astrid health ack` takes off the list"]
        remark("; ".join([f"there are more than these {limit}", *ways]))
    if as_json:
        print_json([event.record() for event in events])
    elif not events:
        print_text("Nothing is wrong that nobody has seen.")
    else:
        print_table(
            ("id", "state", "severity", "check", "since", "times", "what"),
            [_row(e) for e in events],
            least=(("times",), ("since",), ("check",)),
        )


@app.command()
def ack(
    context: typer.Context,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", callback=storable, help="The events' numbers.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that nobody has seen yet.")] = False,
    by: Annotated[str, typer.Option(help="Who has seen them; by default the login name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Acknowledge troubles: they are alerted of no more, unless they come back or get worse."""
    from core.health.events import acknowledge, unseen

    if bool(ids) == everything:
        raise typer.BadParameter("name some events, or --all")
    store = store_of(context)
    try:
        events = acknowledge(store, ids or unseen(store), by or person_of(context))
    finally:
        store.close()
    if as_json:
        print_json([event.record() for event in events])
    for event in events:
        remark(f"{event.id} {event.check}: {event.state}")


def _row(event: Event) -> tuple[Any, ...]:
    since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(event.opened_at))
    return event.id, event.state, event.severity, event.check, since, event.count, event.message
