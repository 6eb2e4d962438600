"""A search by examples as a process of its own."""

from core.operations.command_process import CommandFailed, CommandProcess, CommandStopped


class SearchFailed(CommandFailed):
    """A search found nothing out; one sentence."""


class SearchStopped(CommandStopped):
    """A search was given up."""


class SearchProcess(CommandProcess):
    """``astrid candidates search``, once."""

    NAME, WORDS = "search", ("candidates", "search")
    FAILED, STOPPED = SearchFailed, SearchStopped
