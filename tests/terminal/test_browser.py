"""The console in a browser: the real server, a real client, a real console on a real store."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pyte
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar
from sqlmodel import select as rows_of
from yarl import URL

from core.database.tables import Verdict
from tests.builders import add_night, make_store
from tests.terminal.quiet import QUIET, ticks

pytest.importorskip("textual_serve")

PATIENCE_S = 60.0
LOOK_S = 0.03
_NOT_PYTES = re.compile(rb"\x1b\[[?>=<](?!7[hl])[0-9;$]*[a-zA-Z]|\x1b\[[0-9;]*[tc]|\x1b[P_][^\x1b]*\x1b\\")


class Tab:
    """A page of a browser, whose terminal draws what comes and says where its cursor is."""

    def __init__(self, websocket: ClientWebSocketResponse) -> None:
        self.screen = pyte.Screen(80, 24)
        self.sent = b""
        self.is_closed = False
        self._websocket = websocket
        self._stream = pyte.ByteStream(self.screen)
        self._answers: list[str] = []
        self.screen.write_process_input = self._answers.append  # type: ignore[method-assign]

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    async def press(self, keys: str) -> None:
        await self._websocket.send_json(["stdin", keys])

    async def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        await self._websocket.send_json(["resize", {"width": columns, "height": lines}])

    async def until(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.text:
            if self.is_closed or time.monotonic() > deadline:
                pytest.fail(f"{words!r} never came; the page says:\n{self.text}")
            await asyncio.sleep(LOOK_S)

    async def settle(self, *programs: int) -> None:
        """Wait until nothing has come for a while in which the programs did nothing either."""
        quiet, seen = 0, self._seen(programs)
        while quiet < QUIET:
            await asyncio.sleep(LOOK_S)
            before, seen = seen, self._seen(programs)
            quiet = quiet + 1 if seen == before else 0

    def _seen(self, programs: Sequence[int]) -> list[int]:
        return [len(self.sent), *map(ticks, programs)]

    async def draw(self) -> None:
        """Draw what comes, and answer, until the server closes the page."""
        async for message in self._websocket:
            self.sent += message.data
            self._stream.feed(_NOT_PYTES.sub(b"", message.data))
            while self._answers:
                await self.press(self._answers.pop(0))
        self.is_closed = True

    async def ended(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.is_closed:
                await asyncio.sleep(LOOK_S)


class Page:
    """A server that runs, and a browser to look at it."""

    def __init__(self, url: str, process: asyncio.subprocess.Process, session: ClientSession) -> None:
        self.url = URL(url)
        self.process = process
        self.session = session

    async def open(self) -> str:
        """Open the page as it was printed; what it holds."""
        async with self.session.get(self.url) as response:
            assert response.status == 200
            return await response.text()

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        place = self.url.with_path("/ws").with_query(width=80, height=24)
        async with self.session.ws_connect(place, origin=str(self.url.origin())) as websocket:
            tab = Tab(websocket)
            drawing = asyncio.create_task(tab.draw())
            yield tab
        await drawing

    def consoles(self) -> list[int]:
        """The processes that the server has started and that still run."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in children.read_text().split()]

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not happened():
                await asyncio.sleep(0.05)


async def begin(folder: Path, url: str, *words: str, more: str = "") -> asyncio.subprocess.Process:
    settings = folder / "config.toml"
    settings.write_text(f'home = "{folder}"\n[store]\nurl = "{url}"\n[review]\nreviewer = "vera"\n{more}')
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "astrid_tui", "--config", settings, "serve", *words,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**kept, "TERM": "dumb", "TMUX": "x", "SSH_CONNECTION": "x"},
    )  # fmt: skip


@asynccontextmanager
async def served(folder: Path, url: str, *words: str, more: str = "") -> AsyncIterator[Page]:
    process = await begin(folder, url, "--port", "0", *words, more=more)
    try:
        printed = (await process.stdout.readline()).decode().strip()
        assert printed, (await process.stderr.read()).decode()
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            yield Page(printed, process, session)
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE_S):
                rest, said = await process.communicate()
            assert (process.returncode, rest) == (0, b""), said.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def night(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=3)
    yield store, url
    store.close()


async def test_verdicts_by_keys_in_a_tab_arrive_in_the_store_and_closing_it_ends_its_console(tmp_path, night):
    store, url = night
    async with served(tmp_path, url) as page:
        await page.open()
        async with page.tab() as tab:
            await tab.until("1 of 3")
            await tab.until("difference")
            await tab.settle(page.process.pid, *page.consoles())
            assert b"\x1b[38;2;" in tab.sent
            assert "▀" in tab.text
            await tab.press("r")
            await tab.until("2 of 3")
            await tab.until("takes it back")
            await tab.resize(120, 30)
            await tab.until("r real s sn v var n agn m mov x art d dip c cr t trail p sub i unsure z later")
            await tab.settle(page.process.pid, *page.consoles())
            assert "astrid" in tab.text.lower()
            await tab.press("x")
            await tab.until("3 of 3")
            await tab.press("6")
            await tab.until("6 health")
            (console,) = page.consoles()
            assert os.getpgid(console) != os.getpgid(page.process.pid)  # whose terminal has a Ctrl-C
        await page.until(lambda: not page.consoles())
        assert not Path(f"/proc/{console}").exists()
        async with page.tab() as tab:  # the next one is where that one was
            await tab.until("6 health")
            await tab.press("3")
            await tab.until("1 of 1")
            (console,) = page.consoles()
            await tab.settle(page.process.pid, *page.consoles())
            await tab.press("d")
            await tab.until("takes it back")
            page.process.terminate()
            await tab.ended()
        async with asyncio.timeout(PATIENCE_S):
            assert await page.process.wait() == 0
        assert not Path(f"/proc/{console}").exists()
        assert (await page.process.stderr.read()).decode().splitlines()[-1].startswith("Ended")
    with store.read() as db:
        labels = [row.label for row in db.exec(rows_of(Verdict).order_by(Verdict.id))]
    assert labels == ["real", "artefact", "dipole"]


async def test_a_read_only_console_ends_with_its_server_even_where_that_was_killed(tmp_path, night):
    store, url = night
    async with served(tmp_path, url, "--read-only", more='[console]\nmouse = "off"\n') as page:
        await page.open()
        async with page.tab() as tab:
            await tab.until("READ-ONLY")
            await tab.until("1 of 3")
            assert tab.sent.rindex(b"\x1b[?1003l") > tab.sent.rindex(b"\x1b[?1003h")
            (console,) = page.consoles()
            page.process.kill()
            await page.process.wait()
            await page.until(lambda: not Path(f"/proc/{console}").exists())
    with store.read() as db:
        assert not db.exec(rows_of(Verdict)).all()
