"""One tab of a browser, and the console that it drives: a process of its own."""

import asyncio
import shlex
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from core.text import SafeText, safe_text

PATIENCE_S = 10.0  # what is being written to the store is finished first
_MOST_CELLS = 1000  # of a side: no screen has more, and a console that drew them would be busy for long
LEFT = b"\x1b[?1049l\x1b[?1003l"  # the console's screen and the mouse
_BEGUN = b"__GANGLION__\n"  # what Textual says before its first packet
_LINES_BEFORE = 10
_DATA, _META, _PACKED = b"D", b"M", b"P"


class Tab(AppService):
    """Passes on what a browser and a console say to one another, until one of them ends.

    Parameters
    ----------
    words : sequence of str
        The console's command.
    websocket : WebSocketResponse
        The browser's.
    downloads : DownloadManager
        Of the server.
    on_trouble : callable
        Takes a sentence: why a console broke down.
    abandon : callable
        Gives the browser's connection up, with what it has not taken.
    """

    def __init__(
        self,
        words: Sequence[str],
        websocket: web.WebSocketResponse,
        downloads: DownloadManager,
        on_trouble: Callable[[SafeText], None],
        abandon: Callable[[], None],
    ) -> None:
        super().__init__(
            shlex.join(words),
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=self._close,
            download_manager=downloads,
        )
        self._task: asyncio.Task[None] | None = None
        self._words = words
        self._websocket = websocket
        self._on_trouble = on_trouble
        self.abandon = abandon
        self._has_ended = asyncio.Event()

    async def _close(self) -> None:
        """The console says that it ends: the tab is closed once it has, by `run`."""

    async def set_terminal_size(self, width: int, height: int) -> None:
        """Tell the console how large the page is now."""
        await super().set_terminal_size(as_cells(width), as_cells(height))

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # No shell between; and Ctrl-C at the server is for the server, which ends its consoles in peace.
        self._process = process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = process.stdin
        return process

    async def run(self) -> None:
        """Pass on what the console sends, until it has ended."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        last_words = asyncio.create_task(process.stderr.read())
        for _ in range(_LINES_BEFORE):
            if await process.stdout.readline() in (_BEGUN, b""):
                break
        with suppress(asyncio.IncompleteReadError):
            while True:
                await self._pass_on(process.stdout)
        await process.wait()
        await self._tell((await last_words).decode("utf-8", "replace"))
        await self._websocket.close()

    async def _pass_on(self, stdout: asyncio.StreamReader) -> None:
        """One packet. Without a browser it goes nowhere: a console that nobody reads could not end."""
        kind = await stdout.readexactly(1)
        payload = await stdout.readexactly(int.from_bytes(await stdout.readexactly(4), "big"))
        with suppress(ConnectionError):
            if kind == _DATA:
                await self.on_data(payload)
            elif kind == _META:
                await self.on_meta(payload)
            elif kind == _PACKED:
                await self.on_packed(payload)

    async def _tell(self, said: str) -> None:
        """Show why the console ended, if it said so, where the console was and where the server is."""
        lines = [safe_text(line, 400) for line in said.splitlines() if line.strip()]
        for line in lines:
            self._on_trouble(line)
        if lines:
            with suppress(ConnectionError):
                await self._websocket.send_bytes(LEFT + "\r\n".join(["", "", *lines]).encode())

    async def stop(self) -> None:
        """End the console, which finishes what it writes; one that does not end is made to.

        It cannot while it draws for a browser that takes nothing: one asleep, or beyond a line that broke.
        """
        task, self._task = self._task, None
        if task is None:
            if self._process is not None:  # somebody else ends it
                await self._has_ended.wait()
            return
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.send_meta({"type": "quit"}), PATIENCE_S)
        assert self._process is not None
        for end in (self.abandon, self._process.terminate, self._process.kill):
            if (await asyncio.wait({task}, timeout=PATIENCE_S))[0]:
                break
            with suppress(ProcessLookupError):
                end()
        await task
        self._has_ended.set()


def as_cells(asked: int) -> int:
    """How many columns or lines a console has, of those that a page asks for."""
    return min(max(int(asked), 1), _MOST_CELLS)
