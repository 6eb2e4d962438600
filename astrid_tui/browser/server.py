"""The server of consoles in a browser: one page, and a websocket for each tab that shows it."""

import asyncio
import errno
import re
import secrets
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp_jinja2
from aiohttp import WSCloseCode, web
from textual_serve.server import Server, to_int
from yarl import URL

from astrid_tui.browser.admission import TOKEN, Admission, reached_at
from astrid_tui.browser.tab import Tab, as_cells
from core.errors import AstridError
from core.text import SafeText

_ALIVE_S = 15.0  # a browser that does not answer for so long has gone
_PARTING_S = 5.0
_FONT_PX = 16
_POLICY = "Content-Security-Policy"
_NAMEABLE = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?", re.ASCII | re.IGNORECASE)  # what a policy can name
# What the library makes of a message that is none of its page's.
_MALFORMED = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
_SAFE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
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
        self._open: dict[web.WebSocketResponse, Tab] = {}

    async def run(self, on_ready: Callable[[list[str]], None]) -> None:
        """Serve until SIGINT or SIGTERM; a second one ends it at once.

        Parameters
        ----------
        on_ready : callable
            Takes the URLs that open it, with its token: others' way first, then this machine's own.

        Raises
        ------
        AstridError
            It cannot listen there.
        """
        runner = web.AppRunner(await self._make_app(), access_log=None)
        await runner.setup()
        try:
            await self._listen(runner)
            on_ready(self._urls(runner.addresses[0][1]))
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

    def _urls(self, port: int) -> list[str]:
        query = {TOKEN: self._admission.token}
        return [
            str(URL.build(scheme="http", host=host, port=port, path="/", query=query))
            for host in reached_at(self.host)
        ]

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._admission.admit)
        app.on_response_prepare.append(_protect)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: `run` tells its caller."""

    async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002
        """Close every tab, and wait until their consoles have finished what they write."""
        await asyncio.gather(*(_part(websocket, tab) for websocket, tab in self._open.items()))

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """The page, whose parts all come from here."""
        nonce = secrets.token_urlsafe()
        context = {
            "application": {"name": self.title},
            "font_size": to_int(request.query.get("fontsize", ""), _FONT_PX),
            "websocket_url": f"ws://{request.host}/ws",
            "nonce": nonce,
        }
        response: web.StreamResponse = aiohttp_jinja2.render_template("app_index.html", request, context)
        response.headers[_POLICY] = _policy(request, f"'self' 'nonce-{nonce}'")
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A tab was opened: drive a console of its own, until either of them ends."""
        websocket = web.WebSocketResponse(heartbeat=_ALIVE_S)
        await websocket.prepare(request)
        assert request.transport is not None
        abandon = request.transport.abort
        self._open[websocket] = tab = Tab(
            self._words, websocket, self.download_manager, self._on_trouble, abandon
        )
        try:
            await tab.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await self._process_messages(websocket, tab)
        except _MALFORMED:
            await websocket.close(code=WSCloseCode.UNSUPPORTED_DATA)
        finally:
            await tab.stop()
            del self._open[websocket]
        return websocket


async def _part(websocket: web.WebSocketResponse, tab: Tab) -> None:
    """Close a tab; a browser that takes nothing any more is not waited for, its console is."""
    closing = asyncio.create_task(websocket.close(code=WSCloseCode.GOING_AWAY))
    # To cancel it would cancel what else waits for this browser, and so what drains the console.
    if not (await asyncio.wait({closing}, timeout=_PARTING_S))[0]:
        tab.abandon()
    await closing
    await tab.stop()


def _cells(request: web.Request, name: str, usual: int) -> int:
    return as_cells(to_int(request.query.get(name, ""), usual))


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SAFE)
    response.headers.setdefault(_POLICY, _policy(request, "'self'"))


def _policy(request: web.Request, script: str) -> str:
    """Have the browser fetch nothing from elsewhere, and show the page in no frame.

    Of a page's own websocket most browsers know by 'self'; those that do not are told its name or IPv4
    address. There is no way to write an IPv6 address, which would only be complained about.
    """
    connect = "'self'" if not _NAMEABLE.fullmatch(request.host) else f"'self' ws://{request.host}"
    return (
        f"default-src 'none'; script-src {script}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
