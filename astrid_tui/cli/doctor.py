"""`astrid doctor`: is everything in place?"""

import typer

from astrid_tui.cli.invocation import JsonOption, print_item, print_json
from core.vocabulary import ExitCode

SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED ", "unknown": "unknown"}


def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check every part, and say what to do where one is missing."""
    from core.health.doctor import diagnose

    checks = []
    for check in diagnose(context.find_root().obj.config):
        checks.append(check)
        if not as_json:
            print_item(f"{SIGNS[check.state]} {check.name:10}", check.message)
    if as_json:
        print_json([check.record() for check in checks])
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(ExitCode.UNAVAILABLE)
