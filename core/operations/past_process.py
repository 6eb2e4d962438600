"""Earlier frames measured by a process of its own."""

from core.operations.command_process import CommandProcess
from core.vocabulary import ExitCode


class PastProcess(CommandProcess):
    """``astrid objects forced``, once. Each frame is kept as soon as it is measured."""

    NAME, WORDS = "measuring", ("objects", "forced")
    DONE = (ExitCode.DONE, ExitCode.PARTIAL)  # some frames could not be measured: it tells which
