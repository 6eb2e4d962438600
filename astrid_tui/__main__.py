"""The command `astrid`."""

import sys


def main() -> None:
    """Run one command; what a user can act on is one sentence on standard error, never a traceback."""
    from astrid_tui.cli.app import app
    from core.errors import AstridError

    try:
        app(prog_name="astrid")
    except AstridError as error:
        from core.text import safe_text

        print(f"astrid: {safe_text(error, limit=2000)}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
