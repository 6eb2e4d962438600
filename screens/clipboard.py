"""To the clipboard of the machine the user sits at, also through SSH and tmux."""

import asyncio

from textual.app import App

from screens.terminal import Terminal

_TMUX_TIMEOUT_S = 2.0


async def copy(app: App[None], terminal: Terminal, text: str) -> str:
    """Copy, and say by which way: a terminal does not confirm that it obeyed.

    Inside tmux the text goes into tmux's own buffer, which hands it on (``load-buffer -w``): tmux drops
    the escape sequence (OSC 52) that a plain terminal understands.
    """
    if terminal.in_tmux and await _to_tmux(text):
        return "tmux"
    app.copy_to_clipboard(text)
    return "the terminal (OSC 52)"


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
        await asyncio.wait_for(process.communicate(text.encode()), _TMUX_TIMEOUT_S)
    except (OSError, TimeoutError):
        return False
    return process.returncode == 0
