"""Prefect, loaded before programs that use it are forked: each would spend a second on that.

Imported by the server of `tests.forks` alone, where a test asks for it. What Prefect reads from the
environment as it is imported, a fork reads when the program would have imported it.
"""

import logging
from tempfile import TemporaryDirectory

import pytest

from core.operations.prefect_server import QUIET
from pipeline.engines import prefect

with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
    for name, value in (QUIET | {"PREFECT_HOME": folder}).items():
        patch.setenv(name, value)
    import pipeline.engines.schedule  # noqa: F401

from prefect.context import refresh_global_settings_context
from prefect.logging.configuration import setup_logging

logging.getLogger().handlers.clear()  # which Prefect leaves alone where the program has some
prepare = prefect._prepare_prefect


def prepare_and_read(*given: object) -> None:
    """Set the environment, and do with it what the first import of Prefect does."""
    prepare(*given)
    refresh_global_settings_context()
    setup_logging(incremental=False)


prefect._prepare_prefect = prepare_and_read
