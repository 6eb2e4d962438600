"""The Prefect engine: a run as a flow of a Prefect server, from this process."""

from __future__ import annotations

import os
from pathlib import Path

from core.prefect_api import PrefectUnavailable
from core.prefect_server import client_environment
from core.settings import Settings
from pipeline.clock import one_line
from pipeline.engine_local import RunSummary
from pipeline.worker import OnEvent


def run(
    settings: Settings,
    url: str,
    *,
    config: Path | None = None,
    limit: int | None = None,
    workers: int = 1,
    on_event: OnEvent | None = None,
    run_id: int | None = None,
) -> RunSummary:
    """Process what is queued until no frame is due, as `pipeline.engine_local.run` does.

    Parameters
    ----------
    url : str
        Of the API of a Prefect server that answers: `core.prefect_server.ensure`.
    config : Path, optional
        The configuration file, for the record.

    Raises
    ------
    PrefectUnavailable
        The server went away; what was done until then is in the store.
    StoreError
        The store cannot be used.
    """
    os.environ.update(client_environment(settings, url))
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # the run tells by itself
    import httpx
    from prefect.exceptions import PrefectException

    from pipeline.flows import CALL, Call, process

    call = Call(settings, run_id=run_id, on_event=on_event)
    token = CALL.set(call)
    try:
        process(
            config=None if config is None else str(config.absolute()),
            workers=workers,
            limit=limit,
            return_state=True,
        )
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        if call.summary is None and call.error is None:
            raise PrefectUnavailable(f"the Prefect server at {url} failed: {one_line(error)}") from error
    finally:
        CALL.reset(token)
    if call.error is not None:
        raise call.error
    if call.summary is None:
        raise PrefectUnavailable(f"the Prefect server at {url} ended the run before it began")
    return call.summary
