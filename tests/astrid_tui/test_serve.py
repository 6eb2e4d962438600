"""Who is let in to a console in a browser, what its page holds, and what is said where it cannot be."""

import asyncio
import errno
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, DummyCookieJar, WSCloseCode, WSMsgType, WSServerHandshakeError
from yarl import URL

from tests.astrid_tui.command import Command

pytest.importorskip("textual_serve")
import astrid_tui.browser.server
import astrid_tui.browser.tab
from astrid_tui.browser.admission import Admission, is_asked_for, reached_at, stays_here
from astrid_tui.browser.server import BrowserServer

WAITING = (sys.executable, "-c", "import sys; print('__GANGLION__', flush=True); sys.stdin.read(1)")
FLOODING = """
import os, sys, threading
def read():
    while head := sys.stdin.buffer.read(5):
        if b"quit" in sys.stdin.buffer.read(int.from_bytes(head[1:], "big")):
            told.set()
told = threading.Event()
threading.Thread(target=read, daemon=True).start()
os.write(1, b"__GANGLION__\\n")
while not told.is_set():
    os.write(1, b"D" + (1 << 16).to_bytes(4, "big") + bytes(1 << 16))
open(sys.argv[1], "w").close()
"""  # draws on and on, and notes that it was let end in peace
ECHOING = """
import os, sys
os.write(1, b"__GANGLION__\\n")
while head := sys.stdin.buffer.read(5):
    said = sys.stdin.buffer.read(int.from_bytes(head[1:], "big"))
    if b"quit" in said:
        break
    os.write(1, b"D" + head[1:] + said)
"""  # draws what it is told
BROKEN = (sys.executable, "-c", "import sys; sys.exit('astrid: no such \\x1b]0;owned\\x07 settings')")


@asynccontextmanager
async def served(words: Sequence[str] = BROKEN, said: list[str] | None = None) -> AsyncIterator[URL]:
    """The URL that is printed, of a server that runs in this process."""
    async with served_at("127.0.0.1", words, said) as (url,):
        yield url


@asynccontextmanager
async def served_at(
    host: str, words: Sequence[str] = BROKEN, said: list[str] | None = None
) -> AsyncIterator[list[URL]]:
    ready: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    server = BrowserServer(words, host, 0, ([] if said is None else said).append)
    running = asyncio.create_task(server.run(ready.set_result))
    try:
        await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield [URL(each) for each in await ready]
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def browser() -> ClientSession:
    return ClientSession(cookie_jar=CookieJar(unsafe=True))


async def status(session: ClientSession, url: URL, **headers: str) -> int:
    async with session.get(url, headers=headers) as response:
        return response.status


async def refused(session: ClientSession, url: URL, **headers: str) -> int:
    """The status by which a websocket is refused."""
    with pytest.raises(WSServerHandshakeError) as error:
        await session.ws_connect(url, headers=headers)
    return error.value.status


async def test_nothing_is_given_without_the_token():
    async with served() as url, ClientSession(cookie_jar=DummyCookieJar()) as session:
        own = str(url.origin())
        wrong = url.with_query(token="x" * len(url.query["token"]))
        for path in ("/", "/static/js/textual.js", "/download/x", "/nothing"):
            assert await status(session, url.with_query(None).with_path(path)) == 403
        for asked in (wrong, url.with_query(token=""), url.with_query(token="é")):
            assert await status(session, asked) == 403
        assert await status(session, url.with_path("/static/js/textual.js", keep_query=True)) == 403
        assert await refused(session, url.with_path("/ws"), Origin=own) == 403
        assert await refused(session, url.with_path("/ws", keep_query=True), Origin=own) == 403
        assert await status(session, url) == 200


async def test_the_token_opens_the_page_and_its_cookie_all_the_rest():
    async with served() as url, browser() as session:
        async with session.get(url) as response:
            assert response.status == 200
            (cookie,) = response.cookies.values()
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["domain"]) == ("Strict", "")
        for path, code in (("/", 200), ("/static/js/textual.js", 200), ("/download/x", 404)):
            assert await status(session, url.with_query(None).with_path(path)) == code
        async with served() as other:  # on another port, to which a browser sends the same cookie
            assert await status(session, other.with_query(None)) == 403
            assert await status(session, other) == 200
            assert await status(session, url.with_query(None)) == 200
        session.cookie_jar.clear()
        for wrong in ("", "x", cookie.value[:-1]):
            assert await status(session, url.with_query(None), Cookie=f"{cookie.key}={wrong}") == 403


async def test_another_page_or_another_name_is_refused_whatever_the_cookie_says():
    async with served() as url, browser() as session:
        assert await status(session, url) == 200
        own, page = str(url.origin()), url.with_query(None)
        tab = page.with_path("/ws")
        for origin in ("http://evil.example", "null", own.replace("http:", "https:"), "http://127.0.0.1:1"):
            assert await refused(session, tab, Origin=origin) == 403
            assert await status(session, page, Origin=origin) == 403
        assert await refused(session, tab) == 403
        for host in ("evil.example", f"evil.example:{url.port}", "127.0.0.1.evil.example", "x@127.0.0.1", ""):
            assert await status(session, url, Host=host) == 403
            assert await refused(session, tab, Host=host, Origin=f"http://{host}") == 403
        assert await status(session, page, Host="localhost:9000") == 200  # through a tunnel
        async with session.ws_connect(tab, headers={"Origin": own}) as websocket:
            assert not websocket.closed


@pytest.mark.parametrize(
    ("host", "own", "others"),
    [
        ("127.0.0.1", ("localhost:8000", "127.0.0.1", "[::1]:1"), ("10.0.0.1", "evil.example", "0.0.0.0")),
        ("localhost", ("LOCALHOST", "127.0.0.1:1"), ("localhost.evil.example", "10.0.0.1")),
        ("0.0.0.0", ("10.0.0.1:8000", "[fe80::1]", "localhost", socket.gethostname()), ("evil.example",)),
        ("dome.example", ("dome.example:8000",), ("localhost", "10.0.0.1", "a.dome.example")),
        ("fd00:0:0::2", ("[fd00::2]:1",), ("[fd00::3]", "localhost", "dome.example")),
    ],
)
async def test_a_server_is_known_by_what_it_is_bound_to(host, own, others):
    admission = Admission(host)
    assert all(admission.is_own(each) for each in own)
    assert not any(admission.is_own(each) for each in others)


async def test_the_page_holds_nothing_from_elsewhere_and_may_fetch_nothing_there():
    async with served() as url, browser() as session:
        async with session.get(url) as response:
            page, policy = await response.text(), response.headers["Content-Security-Policy"]
            assert response.headers["Referrer-Policy"] == "no-referrer"
        places = re.findall(r"(?:src|href)=\"([^\"]*)\"|url\(", page)
        assert sorted(places) == ["/", "/static/css/xterm.css", "/static/js/textual.js", "data:,"]
        assert re.findall(r"\w+://[^\s\"'<]*", page) == [f"ws://127.0.0.1:{url.port}/ws"]
        for place in places[:-1]:
            if place.startswith("/"):
                assert await status(session, url.with_query(None).with_path(place)) == 200
        allowed = set(re.findall(r"[\w*]+://[^\s;]*|\*", policy))
        assert allowed == {f"ws://127.0.0.1:{url.port}"}
        assert "default-src 'none'" in policy
        (nonce,) = re.findall(r'nonce="([^"]+)"', page)
        assert f"'nonce-{nonce}'" in policy
        async with session.get(url) as again:
            assert nonce not in await again.text()


def test_the_template_names_no_other_host():
    (template,) = (Path(astrid_tui.browser.server.__file__).parent / "page").iterdir()
    assert "//" not in re.sub(r"^\s*// .*$", "", template.read_text(), flags=re.MULTILINE)


async def test_why_a_console_ended_is_told_in_the_tab_and_at_the_server():
    said: list[str] = []
    async with served(said=said) as url, browser() as session:
        assert await status(session, url) == 200
        place, own = url.with_query(None).with_path("/ws"), str(url.origin())
        async with session.ws_connect(place, headers={"Origin": own}) as websocket:
            message = await websocket.receive(10)
            assert message.type is WSMsgType.BINARY
            assert b"astrid: no such" in message.data
            assert b"\x1b]0" not in message.data
            assert (await websocket.receive(10)).type is WSMsgType.CLOSE
    assert len(said) == 1
    assert "\x1b" not in said[0]


@pytest.mark.parametrize("sent", ["no JSON", "{}", "[]", '["stdin"]', '["stdin", 3]', '["resize", {}]'])
async def test_a_message_that_is_none_of_the_pages_closes_the_tab_without_a_traceback(sent, caplog):
    said: list[str] = []
    async with served(WAITING, said) as url, browser() as session:
        assert await status(session, url) == 200
        place, own = url.with_query(None).with_path("/ws"), str(url.origin())
        async with session.ws_connect(place, headers={"Origin": own}) as websocket:
            await websocket.send_str(sent)
            message = await websocket.receive(10)
            assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.UNSUPPORTED_DATA)
    assert (said, caplog.records) == ([], [])


@asynccontextmanager
async def asleep(url: URL) -> AsyncIterator[None]:
    """A browser that takes nothing any more, although its connection stands."""
    async with browser() as session:
        assert await status(session, url) == 200
        place, own = url.with_query(None).with_path("/ws"), str(url.origin())
        websocket = await session.ws_connect(place, origin=own)
        websocket._response.connection.transport.pause_reading()
        await asyncio.sleep(1)  # until all that lies between has filled
        yield


async def test_a_browser_that_fell_asleep_does_not_hold_up_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(astrid_tui.browser.server, "_PARTING_S", 0.2)
    ended = tmp_path / "ended"
    async with asyncio.timeout(20), AsyncExitStack() as sleeping:
        async with served((sys.executable, "-c", FLOODING, str(ended))) as url:
            await sleeping.enter_async_context(asleep(url))
        assert ended.exists()


async def test_the_console_of_a_browser_that_fell_asleep_ends_in_peace(tmp_path, monkeypatch):
    monkeypatch.setattr(astrid_tui.browser.server, "_ALIVE_S", 0.5)
    monkeypatch.setattr(astrid_tui.browser.tab, "PATIENCE_S", 0.5)
    ended = tmp_path / "ended"
    async with served((sys.executable, "-c", FLOODING, str(ended))) as url, asleep(url):
        async with asyncio.timeout(20):
            while not ended.exists():
                await asyncio.sleep(0.05)


def test_a_port_that_is_taken_is_one_sentence(astrid: Command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert astrid("serve", "--port", port, code=1) == ""
    assert astrid.said == f"astrid: port {port} of 127.0.0.1 is taken: choose another one by --port\n"


def test_no_address_is_wrong_usage_rather_than_every_address(astrid: Command):
    assert astrid("serve", "--host", "", "--port", 0, code=2) == ""
    assert "--host" in astrid.said


async def test_a_page_has_as_many_cells_as_a_screen_may_have():
    async with served((sys.executable, "-c", ECHOING)) as url, browser() as session:
        assert await status(session, url) == 200
        place, own = url.with_query(None).with_path("/ws"), str(url.origin())
        async with session.ws_connect(place, origin=own) as websocket:
            for asked, given in (((120, 30), (120, 30)), ((10**9, 0), (1000, 1)), ((-5, 1001), (1, 1000))):
                await websocket.send_json(["resize", dict(zip(("width", "height"), asked, strict=True))])
                told = json.loads(await websocket.receive_bytes(timeout=10))
                assert (told["width"], told["height"]) == given


def test_an_address_of_another_machine_is_one_sentence(astrid: Command):
    assert astrid("serve", "--host", "192.0.2.1", "--port", 0, code=1) == ""
    unencrypted, refusal = astrid.said.splitlines()
    assert "not encrypted" in unencrypted
    assert refusal.startswith("astrid: cannot listen at port 0 of 192.0.2.1: ")


@pytest.mark.parametrize("host", ["", " ", "0", "127.1", "0x7f000001"])
def test_what_a_browser_would_call_otherwise_is_refused(host, astrid: Command):
    assert astrid("serve", "--host", host, "--port", 0, code=2) == ""
    assert "127.0.0.1, or a name" in astrid.said


def test_without_the_library_one_sentence_says_what_to_install(astrid: Command, monkeypatch):
    for name in ("textual_serve", "textual_serve.server", "textual_serve.app_service"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("server", "tab"):
        monkeypatch.delitem(sys.modules, f"astrid_tui.browser.{name}")
    assert astrid("serve", code=4) == ""
    assert "install AstrID with its extra 'web'" in astrid.said


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0.0.0.0", "::1", "::", "0:0:0:0:0:0:0:1", socket.gethostname()]
)
async def test_every_url_that_is_told_opens_the_page_and_its_tab(host):
    if ":" in host and not _knows_ipv6():
        pytest.skip("this machine has no IPv6")
    async with served_at(host) as urls:
        for url in urls:
            assert str(url).startswith("http://[") == (":" in host)
            async with browser() as session:
                assert await status(session, url) == 200
                await (await session.ws_connect(url.with_path("/ws"), origin=str(url.origin()))).close()


def _knows_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as own:
            own.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("host", "own"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_bound_to_all_addresses_others_way_is_told_first_and_this_machines_own_last(host, own, monkeypatch):
    *outward, last = reached_at(host)
    assert last == own
    assert not any(stays_here(each) or each == host for each in outward)
    monkeypatch.setattr(socket, "socket", _nowhere)
    assert reached_at(host) == [own]


def _nowhere(*_: object) -> socket.socket:
    raise OSError(errno.ENETUNREACH, "Network is unreachable")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.7", "fd00::2", "dome.example"])
def test_bound_to_one_place_that_one_is_told(host):
    assert reached_at(host) == [host]


@pytest.mark.parametrize(
    ("host", "sources"),
    [
        ("127.0.0.1:8000", ["'self'", "ws://127.0.0.1:8000"]),
        ("localhost", ["'self'", "ws://localhost"]),
        ("[::1]:8000", ["'self'"]),
    ],
)
async def test_a_policy_names_what_a_policy_can_name(host, sources):
    async with served() as url, browser() as session, session.get(url, headers={"Host": host}) as response:
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = response.headers["Content-Security-Policy"]
    (connect,) = re.findall(r"connect-src ([^;]*);", policy)
    assert connect.split() == sources


def test_addresses_in_full_and_names_are_asked_for_as_they_are():
    assert all(map(is_asked_for, ("127.0.0.1", "0.0.0.0", "::1", "::", "localhost", "vm", "dome2.example")))
    assert not is_asked_for("fe80::1%eth0")  # of an interface, which no browser can ask for


def test_only_this_machines_own_addresses_need_no_warning():
    assert all(map(stays_here, ("127.0.0.1", "localhost", "::1", "127.0.0.2")))
    assert not any(map(stays_here, ("0.0.0.0", "::", "10.0.0.1", "dome.example")))
