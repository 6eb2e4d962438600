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
UNTOLD = "the broker of [dramatiq]"  # whose URL may show its password wherever it is quoted
HOW = (
    f"the URL of Redis, {UNTOLD}, cannot be understood: write redis://:PASSWORD@HOST:PORT/0,"
    " and in the password %2F for a slash, %40 for @, %23 for # and %3F for a question mark"
)


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
        return UNTOLD
    # Of what is no URL all may be the password, which one of its own signs may end, too.
    before, _, _ = url.rpartition("@")
    if "://" not in url or (before and ("@" in before or set(before.partition("://")[2]) & set("/?#"))):
        return UNTOLD
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
    if place(settings) == UNTOLD:
        raise BrokerUnavailable(HOW)
    try:
        client = Redis.from_url(url, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S)
        client.ping()
    except AuthenticationError as error:
        raise BrokerUnavailable(
            f"Redis at {place(settings)} wants another password: write it into broker of [dramatiq],"
            " redis://:PASSWORD@HOST"
        ) from error
    except ValueError as error:  # it quotes what it takes for the port, as of a password with a slash
        raise BrokerUnavailable(HOW) from error
    except (RedisError, OSError) as error:
        raise BrokerUnavailable(f"Redis at {place(settings)} cannot be used: {error}") from error
    return client
