"""One line to type in: filters, notes, commands."""

from collections.abc import Callable, Sequence

from textual import events
from textual.binding import Binding
from textual.widgets import Input

from core.text import safe_text
from screens.lines import common_start

Complete = Callable[[str], Sequence[str]]  # a line to the lines that it may become
_KEPT = 50
_MOST = 10_000  # characters, as many as a filter may have: one that was saved is shown whole


_EDITING = {
    key: binding.action
    for binding in Input.BINDINGS
    if isinstance(binding, Binding)
    for key in binding.key.split(",")
    if "shift" not in key and binding.action not in {"cut", "copy", "paste"}
}


class Prompt(Input):
    """An input at the foot of a screen, closed until somebody asks with it.

    It never has Textual's focus: that comes a moment after it is asked for, and keys that were typed
    meanwhile would go elsewhere. The screen hands it the keys instead, in the order in which they came.

    Pasted text is made safe first, words are never markup. ``enter`` submits, ``esc`` forgets, ``tab``
    completes, ``up`` and ``down`` bring back what was typed earlier at the same question, given or not.
    """

    can_focus = False

    def __init__(self, *, id: str | None = None, max_length: int = _MOST) -> None:
        super().__init__(id=id, max_length=max_length, compact=True, select_on_focus=False)
        self.cursor_blink = False  # each blink would be sent to the terminal
        self._submit: Callable[[str], None] | None = None
        self._complete: Complete | None = None
        self._hint: Callable[[Sequence[str]], None] | None = None
        self._forgotten: Callable[[], None] | None = None
        self._question = self._before = ""
        self._earlier: dict[str, list[str]] = {}
        self._place = 0
        self._is_answered = False  # and what stands there is what was answered
        self._taken: Callable[[bool], None] | None = None  # told whether the answer is
        self.is_given_up = False  # the answer that was waited for last: nobody asks what became of it

    @property
    def is_open(self) -> bool:
        """Whether somebody asked and has no answer yet."""
        return self._submit is not None

    @property
    def is_waiting(self) -> bool:
        """Whether it is being found out whether the answer will do: keys are not for the line meanwhile."""
        return self._taken is not None

    def ask(
        self,
        question: str,
        before: str,
        submit: Callable[[str], None],
        *,
        complete: Complete | None = None,
        hint: Callable[[Sequence[str]], None] | None = None,
        forgotten: Callable[[], None] | None = None,
    ) -> None:
        """Open with a question and what stands there already.

        Parameters
        ----------
        question : str
            Shown while nothing is typed.
        submit : callable
            Gets the line; whoever gets it closes the prompt when it is content.
        complete : callable, optional
        hint : callable, optional
            Told what the line may become, whenever it changes.
        forgotten : callable, optional
            Called when the user would rather not answer.
        """
        self._forgotten, self._is_answered = forgotten, False
        self._question, self._submit, self._complete, self._hint = question, submit, complete, hint
        self._place = len(self._earlier.setdefault(question, []))
        self.placeholder, self._before = question, before.strip()
        self.value = safe_text(before, self.max_length or _MOST)
        self.cursor_position = len(self.value)
        self.add_class("-open")
        self.has_focus = True  # as far as its looks go
        self._show_hint()

    def close(self) -> None:
        """Forget the question; keys are the screen's own again."""
        if not self.is_open:
            return
        self._submit = self._complete = None
        self._tell_taken(True)
        hint, self._hint = self._hint, None
        self.remove_class("-open")
        self.has_focus = False
        if hint is not None:
            hint(())

    def close_answered(self) -> None:
        """Close if an answer is waited for; not a question that was asked since, which is still typed."""
        if self._is_answered:
            self.close()

    def ask_on(self) -> None:
        """Wait for another answer: this one was not taken, and is typed on."""
        self._is_answered = False
        self._tell_taken(False)

    def wait(self, taken: Callable[[bool], None]) -> None:
        """Wait until it is known whether the answer that was just given will do.

        Parameters
        ----------
        taken : callable
            Told once: true when the prompt closes, false when the line is typed on after all.
        """
        self.is_given_up = False
        if self.is_open and self._is_answered:
            self._taken = taken

    def _tell_taken(self, is_taken: bool) -> None:
        taken, self._taken = self._taken, None
        if taken is not None:
            taken(is_taken)

    async def action_submit(self) -> None:
        """Hand the line to who asked."""
        line = self.value.strip()
        self._keep(line)
        if self._submit is not None:
            self._is_answered = True
            self._submit(line)

    def _keep(self, line: str) -> None:
        earlier = self._earlier[self._question]
        if line and line not in earlier[-1:]:
            earlier.append(line)
            del earlier[:-_KEPT]

    def watch_value(self, _: str) -> None:
        """Keep the hint true to what is typed; an answer that is typed on is none yet."""
        self._is_answered = False
        self._show_hint()

    async def take(self, event: events.Key) -> None:
        """Take a key that the screen was given."""
        acts: dict[str, Callable[[], None]] = {
            "escape": self._forget,
            "tab": self._fill_in,
            "up": lambda: self._bring_back(-1),
            "down": lambda: self._bring_back(1),
        }
        if act := acts.get(event.key):
            act()
        elif event.is_printable and event.character is not None:
            self.insert_text_at_cursor(event.character)
        elif action := _EDITING.get(event.key):
            await self.run_action(action)

    def take_paste(self, event: events.Paste) -> None:
        """Take the first line of what was pasted."""
        first = event.text.splitlines()[0] if event.text else ""
        self.insert_text_at_cursor(safe_text(first, self.max_length or _MOST))

    def _forget(self) -> None:
        self.is_given_up = self.is_given_up or self.is_waiting
        if self.value.strip() != self._before:  # an arrow key that comes in pieces may begin as an escape
            self._keep(self.value.strip())
        self.close()
        if self._forgotten is not None:
            self._forgotten()

    def hint_anew(self) -> None:
        """What a line may become is known better now; of another question nothing changes."""
        if self.is_open:
            self._show_hint()

    def _show_hint(self) -> None:
        if self._hint is not None and self._complete is not None:
            self._hint(self._complete(self.value))

    def _fill_in(self) -> None:
        """As much as all completions have in common."""
        found = self._complete(self.value) if self._complete else ()
        if not found:
            return
        first, last = min(found), max(found)  # what these two have in common, all between them have
        common = first[: common_start(first, last)]
        if len(common) > len(self.value):
            self.value = common
            self.cursor_position = len(common)

    def _bring_back(self, step: int) -> None:
        earlier = self._earlier[self._question]
        self._place = min(max(self._place + step, 0), len(earlier))
        self.value = earlier[self._place] if self._place < len(earlier) else ""
        self.cursor_position = len(self.value)
