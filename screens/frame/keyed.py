"""Keys, clicks and the wheel on their way to what a screen does."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from textual import events
from textual.screen import Screen

from core.text import SafeText
from screens.action import Action, Situation, Where
from screens.clipboard import copy
from screens.frame.footer import action_at
from screens.frame.hints import Hints
from screens.frame.host import Host
from screens.frame.keys import KeyReader
from screens.frame.on_top import is_on_top
from screens.frame.stray import StrayWord
from screens.frame.work import start
from screens.lines import Line, Tone, span
from screens.widgets.prompt import Prompt
from screens.widgets.rows import Rows

PAGE_STEP = 10
_WAY_OUT = 20  # how much the key that leads out deserves its place in the footer: before all others


class KeyedScreen(Screen[None]):
    """A screen whose keys are those of the registry; see `screens.frame.base` for all of a screen.

    Attributes
    ----------
    WHERE : Where
        Whose actions its keys do.
    count : int or None
        What was typed before the action that is being done.
    notice : Line
        What happened last, above the footer.
    failures : int
        How often something failed that was tried.
    """

    WHERE: ClassVar[Where]
    AUTO_FOCUS = ""  # nothing has Textual's focus: the screen gets every key, and hands on the prompt's

    def __init__(self) -> None:
        super().__init__()
        self.notice: Line = (span("opening the store …", Tone.DIM),)
        self.count: int | None = None
        self.failures = 0
        self.prompt = Prompt(id="prompt")
        self._footer = Rows(id="footer")
        self._keys = KeyReader(self.WHERE)
        self._hints = Hints(self, self._keys)
        self._stray = StrayWord()
        self._early: list[events.Key] = []  # came while what was typed was being read

    # -- what a screen brings ----------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """What does each action of this screen, by its id."""
        return {}

    @property
    def situation(self) -> Situation:
        """What decides which actions make sense now."""
        return self.base_situation()

    def move_by(self, steps: int) -> None:
        """Move the cursor."""

    def move_to(self, place: int | None) -> None:
        """Move the cursor to a place, 0 the first, none the last."""

    def copied_text(self) -> SafeText | None:
        """What `copy` takes; none: there is nothing."""
        return None

    def step_back(self) -> bool:
        """One step back towards the plain screen; whether there was one to take."""
        return False

    @property
    def is_within(self) -> bool:
        """Whether something is open that ``back`` closes: then the footer names its key."""
        return False

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way to the disk: leaving waits for it, and stays if it fails."""
        return False

    def paint(self) -> None:
        """Show the state as it is."""
        raise NotImplementedError

    # -- what every screen can do ------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The console."""
        return cast("Host", self.app)

    def base_situation(self, **facts: Any) -> Situation:
        """The situation, with what only this screen knows."""
        known: dict[str, Any] = {
            "is_open": self.host.opened is not None,
            "read_only": self.host.read_only,
            "is_writing": self.is_busy,
        }
        return Situation(**(known | facts))

    def say(self, text: object, tone: Tone = Tone.PLAIN) -> None:
        """Tell the user something; text from outside may be in it."""
        self.notice = (span(text, tone, 400),)
        self.paint()

    def unsay(self) -> None:
        """Tell no longer what was told last."""
        self.notice = ()
        self.paint()

    def refuse(self, text: object) -> None:
        """Say why something was not done."""
        self.app.bell()
        self.say(text, Tone.WARN)

    def refuse_key(self, text: object) -> None:
        """Say why a key did nothing, which it may do soon."""
        self.refuse(text)

    def fail(self, text: object) -> None:
        """Say that something was not done though it was tried: whoever is leaving stays to see it."""
        self.failures += 1
        self.app.bell()
        self.say(text, Tone.BAD)

    def open_menu(self, menu: Where, opener: str) -> None:
        """Let the keys of a menu count until it is closed by ``esc`` or by the action that opened it."""
        self._keys.open(menu, opener)
        self._hints.follow()

    def usable_actions(self) -> list[Action]:
        """What can be done here, by key or by name."""
        handled = {*self._all_handlers()}
        offered = self.host.registry.on(self.WHERE, read_only=self.host.read_only)
        usable = [a for a in offered if a.where is not Where.COMMON or a.id in handled]
        return [replace(a, footer=_WAY_OUT) if a.id == "back" and self.is_within else a for a in usable]

    def paint_footer(self) -> None:
        """Show the keys that matter now."""
        line = self._hints.line(self.host.registry, self.usable_actions(), self.size.width)
        self._footer.show([line])

    # -- keys --------------------------------------------------------------------------------------

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text is for the prompt; it is never keys."""
        event.stop()
        if self.prompt.is_open and not self.prompt.is_waiting:
            self.prompt.take_paste(event)

    async def on_key(self, event: events.Key) -> None:
        """Let a key do its action; one that came with the key that opened another screen is for that one."""
        if not is_on_top(self):
            event.stop()
            event.prevent_default()
            lies_below = self in self.app.screen_stack
            if lies_below or self._is_for_any_screen(event.key):  # what was not seen yet takes no other
                self.app.post_message(events.Key(event.key, event.character))
            return
        if self._early or self.prompt.is_waiting:
            event.stop()
            event.prevent_default()
            if not await self._gives_up(event):
                self._early.append(event)
            return
        if self.prompt.is_open:
            event.stop()
            event.prevent_default()
            await self.prompt.take(event)
            return
        if self._stray.takes(event.key, event.character, event.time):
            event.stop()
            event.prevent_default()
            return
        pressed = self._keys.press(event.key, self.host.registry)
        if not pressed.is_known:
            return
        event.stop()
        event.prevent_default()
        self._hints.follow()
        if pressed.action is not None:
            action = pressed.action
            self.do(action.id, pressed.count)
            is_refused = not self.prompt.is_open and is_on_top(self)
            if action.asks and is_refused and not (self.host.read_only and action.writes):
                self._stray.begin(event.time)

    def wait_for_answer(self) -> None:
        """Let keys wait until what was typed is taken, which closes the prompt; then they are the screen's.

        Where it is not taken they go nowhere: they were none of the line's.
        """
        self.prompt.wait(self._answer_taken)

    def _answer_taken(self, is_taken: bool) -> None:
        if not is_taken:
            self._early.clear()
        elif self._early:
            self.call_later(self._let_on)

    async def _let_on(self) -> None:
        """Do what was pressed meanwhile, before what was pressed since."""
        early, self._early = self._early, []
        for each in early:
            await self.on_key(events.Key(each.key, each.character))

    async def _gives_up(self, event: events.Key) -> bool:
        """Whether a key is the one that does not wait any longer."""
        if event.key != "escape" or not self.prompt.is_waiting:
            return False
        self._early.clear()
        await self.prompt.take(event)
        return True

    def _is_for_any_screen(self, key: str) -> bool:
        action = self.host.registry.find(self.WHERE, key)
        return action is not None and action.where is Where.EVERYWHERE

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self._wheel("next")

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor back."""
        self._wheel("previous")

    def on_click(self, event: events.Click) -> None:
        """A click on the footer does what stands there."""
        if event.widget is self._footer and not self.prompt.is_open and not self._keys.is_pending:
            offered = self.usable_actions()
            if action := action_at(offered, self.size.width, event.x):
                self.do(action.id)

    def _wheel(self, action_id: str) -> None:
        if not self.prompt.is_open and action_id in self._all_handlers():
            self.do(action_id)

    def do(self, action_id: str, count: int | None = None) -> None:
        """Do one action of the registry, or say why not; what was said before is told no longer."""
        was_told = bool(self.notice) and self.host.opened is not None
        if was_told:
            self.notice = ()
        self._do(action_id, count)
        if was_told and not self.notice:
            self.paint()

    def _do(self, action_id: str, count: int | None) -> None:
        action = self.host.registry[action_id]
        if action.where is Where.EVERYWHERE:
            self.host.act(action_id)
            return
        handler = self._all_handlers().get(action_id)
        if handler is None or (action.dangerous and self.host.read_only):
            self.app.bell()
            return
        if reason := action.why_disabled(self.situation):
            self.refuse_key(f"{action.label}: {reason}")
            return
        self.count = count
        handler()
        self.count = None

    def _all_handlers(self) -> dict[str, Callable[[], None]]:
        motions: dict[str, Callable[[], None]] = {}
        if type(self).move_by is not KeyedScreen.move_by:
            motions = {
                "next": lambda: self.move_by(self.count or 1),
                "previous": lambda: self.move_by(-(self.count or 1)),
                "page-down": lambda: self.move_by(PAGE_STEP * (self.count or 1)),
                "page-up": lambda: self.move_by(-PAGE_STEP * (self.count or 1)),
                "first": lambda: self.move_to(0),
                "last": lambda: self.move_to(self.count - 1 if self.count else None),
            }
        if type(self).copied_text is not KeyedScreen.copied_text:
            motions["copy"] = self._copy
        return {**motions, **self.handlers()}

    def back(self) -> bool:
        """One step back on this screen; whether there was one to take."""
        if self._keys.clear():
            self._hints.follow()
            return True
        return self.step_back()

    def _copy(self) -> None:
        text = self.copied_text()
        if text is None:
            self.refuse("there is nothing to copy")
            return

        async def to_clipboard() -> None:
            home = self.host.opened.settings.home if self.host.opened else None
            self.say(await copy(self.app, self.host.terminal, text, home))

        start(self, to_clipboard, group="copy")
