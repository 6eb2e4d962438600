"""Who may use a console in a browser: who has the token, and comes by a page of this very server.

A password-less server on this machine can be reached by every page that its user looks at: a page elsewhere
may open a websocket here, or have its own name point to this machine. So the name that the browser asked for
must be one of this server's, and a page that asks must come from there too. The token keeps other users of
the machine, and of the network, out.
"""

import re
import secrets
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

TOKEN = "token"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::[0-9]{1,5})?", re.ASCII)  # name or address, and port
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)  # what ends so is an address
_NOBODYS = {4: ("192.0.2.1", socket.AF_INET), 6: ("2001:db8::1", socket.AF_INET6)}  # for documents alone

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admission:
    """Lets requests in or refuses them.

    Parameters
    ----------
    host : str
        What the server is bound to.

    Attributes
    ----------
    token : str
        Shown once to whoever started the server, as part of the page's URL.
    """

    def __init__(self, host: str) -> None:
        self.token = secrets.token_urlsafe()
        self._cookie = f"astrid_{secrets.token_hex(4)}"  # cookies know no ports: other servers have their own
        self._host = host.lower()

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what comes without the token, by another name, or from another page."""
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not self.is_own(host):
            raise web.HTTPForbidden(text="This server is not known by that name.\n")
        is_page = request.path == "/"
        if origin != f"http://{host}" and (origin is not None or request.path == "/ws"):
            raise web.HTTPForbidden(text="Only a page of this very server may ask for this.\n")
        is_given = is_page and self._is_token(request.query.get(TOKEN))
        if not is_given and not self._is_token(request.cookies.get(self._cookie)):
            raise web.HTTPForbidden(text="Open the whole URL that astrid serve printed, with its token.\n")
        response = await handler(request)
        if is_given:
            response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _is_token(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), self.token.encode())

    def is_own(self, place: str) -> bool:
        """Whether a Host header names this server. The port may be a tunnel's: no page can choose that."""
        asked = _PLACE.fullmatch(place)
        if asked is None:
            return False
        name = asked[1].strip("[]").lower()
        if _same(name, self._host):
            return True
        if self._is_loopback:
            return name in _LOOPBACK
        if not self.is_everywhere:
            return False
        return name in _LOOPBACK or name == socket.gethostname().lower() or _address(name) is not None

    @property
    def _is_loopback(self) -> bool:
        return self._host in _LOOPBACK

    @property
    def is_everywhere(self) -> bool:
        """Bound to all addresses of this machine: a page elsewhere can lie by a name, never by a number."""
        address = _address(self._host)
        return address is not None and address.is_unspecified


def is_asked_for(host: str) -> bool:
    """Whether a browser can ask for a host, by the words that it is given: 127.1 it calls 127.0.0.1."""
    if _address(host) is not None:
        return "%" not in host  # no URL of a browser names the interface of a link-local address
    return _PLACE.fullmatch(host) is not None and _NUMBER.fullmatch(host) is None


def stays_here(host: str) -> bool:
    """Whether what is sent never leaves this machine."""
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def reached_at(host: str) -> list[str]:
    """The hosts by which a browser reaches what listens at one; others' way first, then this machine's own.

    Listening at all addresses, of one kind, is no host that could be asked for, and this machine's name is
    known to whoever gave it one. So told are addresses: the one that leads out of here, and the loopback.
    """
    address = _address(host)
    if address is None or not address.is_unspecified:
        return [host]
    outward = _outward(address)
    loopback = "127.0.0.1" if address.version == 4 else "::1"
    return [loopback] if outward is None else [outward, loopback]


def _outward(kind: IPv4Address | IPv6Address) -> str | None:
    """The address of this machine on its way to the others. No packet is sent."""
    far, family = _NOBODYS[kind.version]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect((far, 9))
            found = ip_address(way.getsockname()[0].partition("%")[0])
    except OSError:
        return None
    return None if found.is_loopback or found.is_link_local else str(found)


def _same(name: str, other: str) -> bool:
    """Whether two hosts are the same one; an address can be written in several ways."""
    address = _address(name)
    return name == other if address is None else address == _address(other)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
