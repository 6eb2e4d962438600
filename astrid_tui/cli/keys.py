"""`astrid keys`: every action of the console, with the keys in force."""

from typing import Any

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_table, settings_of


def keys(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the console's actions by the names that [keys] in the settings uses, and their keys."""
    from screens.frame.opening import registry_of
    from screens.key_names import key_sign

    actions = registry_of(settings_of(context), context.find_root().obj.config).actions
    records: list[dict[str, Any]] = [
        {
            "action": action.id,
            "keys": [key_sign(key) for key in action.keys],
            "screen": action.where.value,
            "dangerous": action.dangerous,
            "help": action.help,
        }
        for action in actions
    ]
    if as_json:
        print_json(records)
        return
    rows = [[each["action"], " ".join(each["keys"]), each["screen"], each["help"]] for each in records]
    print_table(["action", "keys", "screen", "what it does"], rows)
