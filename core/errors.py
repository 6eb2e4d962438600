"""The root of what AstrID tells a user when it cannot do what was asked."""

from core.vocabulary import ExitCode


class AstridError(Exception):
    """Something the user can read and act on: one clear sentence.

    Every command prints it on standard error, without a traceback, and ends with `exit_code`.
    """

    exit_code: int = ExitCode.FAILED
