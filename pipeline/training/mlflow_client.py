"""MLflow's client, and whatever it raises in one sentence. Importing this does not import MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.errors import AstridError
from core.extras import lacking as lacking_extra
from core.models.registry import own_database
from core.settings import Settings
from core.vocabulary import ExitCode
from pipeline.clock import one_line

MOST_CAUSE = 300  # characters
AWAY = ("Max retries exceeded", "Connection refused", "NameResolutionError", "timed out")
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow compares with this word
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # by default a server that is away is waited for for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # where JSON may go
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # it tells of each table of its own that it makes
}
# By default boto3 sends checksums with files, in a way that others than Amazon, as Cloudflare R2, may refuse.
# What is brought back is verified by a hash of our own.
CHECKSUMS = ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")


class TrackingUnavailable(AstridError):
    """MLflow could not be told; what it was to be told is kept."""

    exit_code = ExitCode.UNAVAILABLE


def tracking_uri(settings: Settings) -> str:
    """Where MLflow keeps what it is told: ``MLFLOW_TRACKING_URI``, or a database in AstrID's home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{own_database(settings)}"


def place(settings: Settings) -> str:
    """`tracking_uri` as it may be shown and kept: without what lets one in there."""
    uri = tracking_uri(settings)
    return _without_password(uri, uri)


@contextmanager
def client(settings: Settings, lacking: str = "could not be told") -> Iterator[Any]:
    """MLflow's client; whatever it raises becomes one sentence.

    Parameters
    ----------
    settings : Settings
    lacking : str
        What did not come about where it raises.

    Raises
    ------
    TrackingUnavailable
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if settings.mlflow.s3_endpoint:
        os.environ.setdefault("MLFLOW_S3_ENDPOINT_URL", settings.mlflow.s3_endpoint)
        for name in CHECKSUMS:
            os.environ.setdefault(name, "when_required")
    if settings.mlflow.s3_region:
        os.environ.setdefault("AWS_DEFAULT_REGION", settings.mlflow.s3_region)
    uri = tracking_uri(settings)
    try:
        own_database(settings).parent.mkdir(parents=True, exist_ok=True)
        from mlflow import MlflowClient

        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except AstridError:
        raise
    except ImportError as error:
        is_s3 = error.name == "boto3"
        why = f"files in an S3 store need boto3: {lacking_extra('s3')}" if is_s3 else one_line(error)
        raise TrackingUnavailable(f"MLflow cannot be used here: {why}") from error
    except Exception as error:  # MLflow, SQLAlchemy, requests and boto3 each have their own
        told = _without_password(_cause(error), uri)
        raise TrackingUnavailable(f"MLflow at {place(settings)} {lacking}: {told}") from error


def _cause(error: BaseException) -> str:
    """Why, in a line: a server that is away is told as such, without the client's inner calls."""
    said = str(error)
    if any(word in said for word in AWAY):
        return "it does not answer"
    return one_line(error)[:MOST_CAUSE]


def _without_password(text: str, uri: str) -> str:
    """A text that may name a URI, without what lets one in there."""
    for secret in _secrets(uri):
        text = text.replace(secret, "***")
    return text


def _secrets(uri: str) -> Iterator[str]:
    """What stands before the host of a URI, whatever signs are in it, and what is asked of that host."""
    scheme, is_server, rest = uri.partition("://")
    if not is_server or scheme == "file":
        return
    if rest.startswith("/"):  # a file's path, or a database whose server is asked for behind it
        yield from filter(None, [rest.partition("?")[2]])
        return
    user, _, place = rest.rpartition("@")
    yield from filter(None, (user, place.partition("?")[2]))
