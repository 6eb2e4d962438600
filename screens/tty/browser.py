"""Textual's driver for a browser, made to end as a terminal's: what is being written is finished first."""

from textual.drivers.web_driver import WebDriver

from screens.tty.driver import TerminalClosed


class BrowserDriver(WebDriver):
    """Speaks to the server of the page through standard input and output."""

    def start_application_mode(self) -> None:
        """Take the browser's screen over; Textual asks for the mouse whether it is wanted or not."""
        super().start_application_mode()
        if not self._mouse:
            self._disable_mouse_support()

    def write(self, data: str) -> None:
        """Send something to the browser, if it is still there."""
        try:
            super().write(data)
        except BrokenPipeError:  # the server has gone; standard input says so too
            return

    def write_meta(self, data: dict[str, object]) -> None:
        """Tell the server something, if it is still there."""
        try:
            super().write_meta(data)
        except BrokenPipeError:
            return

    def run_input_thread(self) -> None:
        """Read until the console closes, or the server has gone."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self.process_message(TerminalClosed())

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        """What the server says beside keys: above all that the tab was closed."""
        if packet_type == "quit":
            self.process_message(TerminalClosed())
        else:
            super().on_meta(packet_type, payload)
