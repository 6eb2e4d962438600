"""The server of consoles in a browser: one page, and a websocket for each tab that shows it."""

import asyncio
import errno
import secrets
import shlex
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp_jinja2
from aiohttp import WSCloseCode, web
from textual_serve.server import Server, to_int
from yarl import URL

from astrid_tui.browser.admission import TOKEN, Admission
from astrid_tui.browser.tab import Tab
from core.errors import AstridError
from core.text import SafeText

_ALIVE_S = 15.0  # a browser that does not answer for so long has gone
_FONT_PX = 16
_MOST_CELLS = 1000  # of a side
_POLICY = "Content-Security-Policy"
# What the library makes of a message that is none of its page's.
_MALFORMED = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
_SAFE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class BrowserServer(Server):
    """Serves consoles.

    Parameters
    ----------
    words : sequence of str
        The command that opens a console.
    host : str
        The address to listen at.
    port : int
        The port; 0: any that is free.
    on_trouble : callable
        Takes a sentence: why a console broke down.
    """

    def __init__(
        self, words: Sequence[str], host: str, port: int, on_trouble: Callable[[SafeText], None]
    ) -> None:
        page = Path(__file__).parent / "page"
        super().__init__(shlex.join(words), host=host, port=port, title="AstrID", templates_path=page)
        self._words = words
        self._on_trouble = on_trouble
        self._admission = Admission(host)
        self._open: set[web.WebSocketResponse] = set()

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Serve until SIGINT or SIGTERM; a second one ends it at once.

        Parameters
        ----------
        on_ready : callable
            Takes the URL to open, with its token.

        Raises
        ------
        AstridError
            It cannot listen there.
        """
        runner = web.AppRunner(await self._make_app(), access_log=None)
        await runner.setup()
        try:
            await self._listen(runner)
            on_ready(self._url(runner.addresses[0][1]))
            await _told_to_end()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        where = f"port {self.port} of {self.host}"
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AstridError(f"{where} is taken: choose another one by --port") from error
            raise AstridError(f"cannot listen at {where}: {error.strerror or error}") from error

    def _url(self, port: int) -> str:
        name = socket.gethostname() if self._admission.is_everywhere else self.host
        query = {TOKEN: self._admission.token}
        return str(URL.build(scheme="http", host=name, port=port, path="/", query=query))

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._admission.admit)
        app.on_response_prepare.append(_protect)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: `run` tells its caller."""

    async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002
        """Close every tab, which ends its console; `run` waits until they have finished what they write."""
        await asyncio.gather(*(each.close(code=WSCloseCode.GOING_AWAY) for each in self._open))

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """The page, whose parts all come from here."""
        nonce = secrets.token_urlsafe()
        context = {
            "application": {"name": self.title},
            "font_size": to_int(request.query.get("fontsize", ""), _FONT_PX),
            "websocket_url": f"ws://{request.host}/ws",
            "nonce": nonce,
        }
        response = aiohttp_jinja2.render_template("app_index.html", request, context)
        response.headers[_POLICY] = _policy(request, f"'self' 'nonce-{nonce}'")
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A tab was opened: drive a console of its own, until either of them ends."""
        websocket = web.WebSocketResponse(heartbeat=_ALIVE_S)
        await websocket.prepare(request)
        tab = Tab(self._words, websocket, self.download_manager, self._on_trouble)
        self._open.add(websocket)
        try:
            await tab.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await self._process_messages(websocket, tab)
        except _MALFORMED:
            await websocket.close(code=WSCloseCode.UNSUPPORTED_DATA)
        finally:
            await tab.stop()
            self._open.remove(websocket)
        return websocket


def _cells(request: web.Request, name: str, usual: int) -> int:
    return min(max(to_int(request.query.get(name, ""), usual), 1), _MOST_CELLS)


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SAFE)
    response.headers.setdefault(_POLICY, _policy(request, "'self'"))


def _policy(request: web.Request, script: str) -> str:
    """Have the browser fetch nothing from elsewhere, and show the page in no frame."""
    return (
        f"default-src 'none'; script-src {script}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"connect-src 'self' ws://{request.host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def _told_to_end() -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
