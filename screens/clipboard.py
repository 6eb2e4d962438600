"""To the clipboard of the machine the user sits at, also through SSH and tmux; and to a file."""

import asyncio
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

from textual.app import App

from core.text import SafeText
from core.unfinished import unfinished
from screens.terminal import Terminal

COPIES = "copied.txt"
_TMUX_TIMEOUT_S = 2.0
_KEPT_BYTES = 1 << 20


async def copy(app: App[object], terminal: Terminal, text: SafeText, home: Path | None) -> str:
    """Copy, and say by which way: a terminal does not confirm that it obeyed, so a file keeps it as well.

    Inside tmux the text goes into tmux's own buffer, which hands it on (``load-buffer -w``): tmux drops
    the escape sequence (OSC 52) that a plain terminal understands. GNU screen passes it on wrapped.

    Parameters
    ----------
    home : Path or None
        Where the file lies; none: no file.

    Returns
    -------
    str
        One sentence for the user.
    """
    way = "tmux"
    if not (terminal.in_tmux and await _to_tmux(text)):
        if terminal.in_screen and app._driver is not None:
            app._driver.write(terminal.wrapped(osc52(text)))
        else:
            app.copy_to_clipboard(text)
        way = "the terminal (OSC 52)"
    kept = ""
    if home is not None:
        file = home / COPIES
        try:
            await asyncio.to_thread(keep, file, text)
            kept = f" and {file}"
        except OSError as error:
            kept = f"; {file} cannot be written: {error.strerror}"
    return f"copied {text} to {way}{kept}"


def osc52(text: SafeText) -> str:
    """The sequence that puts a text on the clipboard of the machine the terminal is on."""
    return f"\x1b]52;c;{b64encode(text.encode()).decode()}\a"


def keep(file: Path, text: SafeText) -> None:
    """Append a line to the file of copies; of a file that grew large the older half goes.

    Raises
    ------
    OSError
    """
    if file.exists() and file.stat().st_size > _KEPT_BYTES:
        newer = file.read_bytes()[-_KEPT_BYTES // 2 :]
        with unfinished(file) as part:
            part.write_bytes(newer.partition(b"\n")[2])
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text + "\n")


async def _to_tmux(text: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "load-buffer",
            "-w",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await asyncio.wait_for(process.communicate(text.encode()), _TMUX_TIMEOUT_S)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    except (OSError, TimeoutError):
        return False
    return process.returncode == 0
