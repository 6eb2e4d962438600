"""Redis, through which workers on other machines are told that frames are due."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.errors import AstridError
from core.settings import Settings
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from redis import Redis

PATIENCE_S = 5.0  # for one exchange


class BrokerUnavailable(AstridError):
    """Redis cannot be used, or nobody listens there; one sentence says what to do."""

    exit_code = ExitCode.UNAVAILABLE


def place(settings: Settings) -> str:
    """Where the broker is, without its password."""
    url = settings.dramatiq.broker.get_secret_value()
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return "the broker of [dramatiq]"
    # Of what is no URL all may be the password, which one of its own signs may end, too.
    if not parts.scheme or ("@" in url and "@" not in parts.netloc):
        return "the broker of [dramatiq]"
    return f"{parts.scheme}://{parts.hostname or ''}:{port}{parts.path}"


def connect(settings: Settings) -> Redis:
    """A client of the broker that the settings name, which answers.

    Raises
    ------
    BrokerUnavailable
        None is named, or it does not answer.
    """
    from redis import Redis
    from redis.exceptions import AuthenticationError, RedisError

    url = settings.dramatiq.broker.get_secret_value()
    if not url:
        raise BrokerUnavailable(
            'no broker is set: put broker = "redis://HOST" into [dramatiq] of the configuration'
        )
    try:
        client = Redis.from_url(url, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S)
        client.ping()
    except AuthenticationError as error:
        raise BrokerUnavailable(
            f"Redis at {place(settings)} wants another password: write it into broker of [dramatiq],"
            " redis://:PASSWORD@HOST"
        ) from error
    except ValueError as error:  # it quotes what it takes for the port, as of a password with a slash
        raise BrokerUnavailable(
            f"the URL of Redis, {place(settings)}, cannot be understood: write redis://:PASSWORD@HOST:PORT/0,"
            " and in the password %2F for a slash, %23 for # and %3F for a question mark"
        ) from error
    except (RedisError, OSError) as error:
        raise BrokerUnavailable(f"Redis at {place(settings)} cannot be used: {error}") from error
    return client
