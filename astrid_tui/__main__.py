"""The command `astrid`."""

import json
import os
import sys

from core.operations.threads import THREAD_VARIABLES


def main() -> None:
    """Run one command; what a user can act on is one sentence on standard error, never a traceback.

    With ``--json`` a failure is JSON on standard output too: ``{"error": ..., "exit_code": ...}``.
    """
    from astrid_tui.cli.app import app
    from core.errors import AstridError
    from core.vocabulary import ExitCode

    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    try:
        app(prog_name="astrid")
    except AstridError as error:
        _tell(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except OSError as error:  # the system refuses: a full disk, a folder without permission, a lost mount
        where = f"{error.filename}: " if error.filename else ""
        _tell(f"{where}{error.strerror or error}", ExitCode.FAILED)
        sys.exit(ExitCode.FAILED)


def _tell(sentence: str, code: int) -> None:
    from core.text import safe_text

    if "--json" in sys.argv:
        sys.stdout.write(
            json.dumps({"error": safe_text(sentence, limit=2000), "exit_code": int(code)}) + "\n"
        )
    print(f"astrid: {safe_text(sentence, limit=2000)}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
