"""What can be done on the health screen, beyond what works on all of them."""

from screens.action import Action, Excuse, Situation, Where, no_row, no_store, no_writing


def _no_acknowledging(now: Situation) -> str | None:
    if reason := no_writing(now) or no_row(now):
        return reason
    return "somebody has seen it already" if now.state in {"seen", "past"} else None


def _no_way_on(now: Situation) -> str | None:
    return no_row(now) or (None if now.marked else "no other screen shows more of it")


def _health(id_: str, key: str, label: str, text: str, excuse: Excuse = no_store, footer: int = 0) -> Action:
    keys = (key,) if key else ()
    return Action(f"health:{id_}", keys, label, text, Where.HEALTH, "Health and log", footer, False, excuse)


ACTIONS: tuple[Action, ...] = (
    _health("acknowledge", "a", "seen", "acknowledge the trouble under the cursor", _no_acknowledging, 9),
    _health("acknowledge-all", "", "all seen", "acknowledge every trouble that nobody has seen", no_writing),
    _health("go", "o", "go to", "go to the frames, the run or the model that it is about", _no_way_on, 7),
    _health("past", "h", "history", "also troubles that are over and were seen, or no more", no_store, 5),
    _health("checks", "c", "checks", "what each check says, in full", no_store, 5),
    _health("look", "r", "look", "look at everything again now", no_store, 4),
    _health("log-next", "l", "log", "the next log", no_store, 6),
    _health("follow", "f", "follow", "follow the log as it is written", no_store, 4),
)
