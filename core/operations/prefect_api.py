"""The few questions that AstrID puts to a Prefect server without importing Prefect, over its REST API."""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from core.errors import AstridError
from core.vocabulary import ExitCode

ANSWER_S = 2.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
UNFINISHED = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")
MOST_BYTES = 4_000_000  # of an answer


class PrefectUnavailable(AstridError):
    """There is no Prefect server that can be used; one sentence says why."""

    exit_code = ExitCode.UNAVAILABLE


def version(url: str, password: str | None = None) -> str:
    """The version of the server whose API is at a URL.

    Parameters
    ----------
    password : str, optional
        Name and password of AstrID's own server; that of another is in the environment.

    Raises
    ------
    PrefectUnavailable
        It does not answer, or not as a Prefect server does.
    """
    answer = _ask(url, "/admin/version", password=password)
    if not isinstance(answer, str):
        raise PrefectUnavailable(f"what answers at {url} is no Prefect server")
    return answer


def close_flow_runs(url: str, ended: Mapping[str, tuple[str, str]], password: str | None = None) -> int:
    """Tell of flow runs that ended without a word how they did, and of what they had at work; how many.

    Prefect itself does not notice that a process is gone, and would show them as running for ever.

    Parameters
    ----------
    ended : mapping
        The type of Prefect's state and the reason by the flow run's id; runs that Prefect knows to be over
        stay as they are.
    password : str, optional
        As for `version`.

    Raises
    ------
    PrefectUnavailable
    """
    state = {"state": {"type": {"any_": list(UNFINISHED)}}}
    wanted = {"id": {"any_": list(ended)}}
    ask = partial(_ask, url, password=password)
    flows = ask("/flow_runs/filter", {"flow_runs": {**wanted, **state}}) if ended else []
    for flow in flows:
        kind, reason = ended[flow["id"]]
        of_flow = {"flow_runs": {"id": {"any_": [flow["id"]]}}, "task_runs": state}
        for task in ask("/task_runs/filter", of_flow):
            ask(f"/task_runs/{task['id']}/set_state", _forced("CRASHED", reason))
        ask(f"/flow_runs/{flow['id']}/set_state", _forced(kind, reason))
    return len(flows)


def _forced(kind: str, reason: str) -> dict[str, Any]:
    return {"state": {"type": kind, "message": reason}, "force": True}


def _ask(url: str, path: str, body: object = None, *, password: str | None = None) -> Any:
    if not url.startswith(("http://", "https://")):
        raise PrefectUnavailable(f"PREFECT_API_URL must begin with http:// or https://, not as {url} does")
    data = None if body is None else json.dumps(body).encode()
    try:
        request = Request(url + path, data, {"Content-Type": "application/json", **_credentials(password)})
        with _opener(url).open(request, timeout=ANSWER_S) as answer:
            return json.loads(answer.read(MOST_BYTES))
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise PrefectUnavailable(f"the Prefect server at {url} does not answer: {reason}") from error
    except ValueError as error:
        raise PrefectUnavailable(f"what answers at {url} is no Prefect server") from error


def _opener(url: str) -> OpenerDirector:
    """No proxy stands between this machine and itself, whatever the environment says."""
    return build_opener(ProxyHandler({})) if urlsplit(url).hostname in LOOPBACK else build_opener()


def _credentials(password: str | None) -> dict[str, str]:
    """What Prefect's own client would send."""
    if password is None and (key := os.environ.get("PREFECT_API_KEY")):
        return {"Authorization": f"Bearer {key}"}
    if pair := password or os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}
