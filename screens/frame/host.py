"""What a screen may ask of the console around it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.text import SafeText
from screens.action import Where
from screens.actions import Registry
from screens.lines import Line
from screens.terminal import Terminal
from screens.tty.probe import Probe

if TYPE_CHECKING:
    from core.operations.headline import Headline
    from screens.frame.opened import Opened
    from screens.widgets.confirm import Confirm


@dataclass(frozen=True, slots=True)
class Target:
    """Where a jump leads: from a failure to its frame, to the frame's candidates, to their object.

    One of them is given; which of them a screen understands is its own business.

    Attributes
    ----------
    run_id, observation_id, object_id : int or None
        Rows of the store.
    filter : str or None
        For the screen's own filter, such as ``frame:"m31-0001.fits"``.
    """

    run_id: int | None = None
    observation_id: int | None = None
    object_id: int | None = None
    filter: str | None = None


class Host(Protocol):
    """The console, as screens see it."""

    opened: "Opened | None"  # none until the store is open
    failure: SafeText | None  # why it could not be opened
    registry: Registry
    terminal: Terminal
    read_only: bool

    @property
    def probe(self) -> Probe:
        """What the terminal said of itself."""

    @property
    def is_line_slow(self) -> bool:
        """Whether drawings reach the terminal in portions, so that what is late is never sent."""

    @property
    def headline(self) -> "Headline | None":
        """How things stood when the store was last looked at; none before."""

    def header(self, where: Where, width: int) -> Line:
        """The header line of a screen."""

    def go(self, where: Where) -> None:
        """Switch to a screen, as it was left."""

    def jump(self, where: Where, target: Target) -> None:
        """Switch to a screen and there to something; ``esc`` leads back to where one came from."""

    def act(self, action_id: str) -> None:
        """Do an action that works everywhere."""

    def step_out(self) -> bool:
        """Back to the screen that a jump came from; whether there was one."""

    def look(self) -> None:
        """See at once what changed in the store, rather than with the next look."""

    def warm_up(self) -> None:
        """Show for a while how the Prefect server warms up: a run was started that would use it."""

    def ask_terminal(self, row: int, column: int) -> bool:
        """Ask the terminal for its cursor's position, put there first; false: there is no terminal."""

    def send_pictures(self) -> None:
        """Send the pictures that belong to what is on the screen, where they are not there yet."""

    def confirm(
        self, question: str | None, word: str, then: Callable[[], None], *, is_light: bool = False
    ) -> "Confirm":
        """Do something that cannot be undone, or to many, once the user has typed a word.

        Parameters
        ----------
        question : str or None
            None where it is told later: what is asked is open at once, and takes what is typed.
        is_light : bool
            ``enter`` alone will do.
        """
