"""Every action of the console, once: keys, footer, help and command palette come from here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from screens.action import SCREENS, Action, Where
from screens.frame import actions as frame
from screens.health import actions as health
from screens.ingest import actions as ingest
from screens.key_names import is_key, key_name, key_sign
from screens.models import actions as models
from screens.pipeline import actions as pipeline
from screens.power import actions as power
from screens.review import actions as review

ACTIONS: tuple[Action, ...] = (
    *ingest.ACTIONS,
    *pipeline.ACTIONS,
    *review.ACTIONS,
    *models.ACTIONS,
    *power.ACTIONS,
    *health.ACTIONS,
    *frame.ACTIONS,
)
MENUS = {Where.VIEW_MENU: Where.REVIEW}  # whose keys count only while the menu is open, and where it opens


class KeyClash(ValueError):
    """Keys that cannot be given as asked; one sentence that names them."""


class Registry:
    """The actions with their keys in force.

    Parameters
    ----------
    actions : sequence of Action

    Raises
    ------
    KeyClash
        Two actions have one key on one screen.
    """

    def __init__(self, actions: Sequence[Action] = ACTIONS) -> None:
        self.actions = tuple(actions)
        self._by_id = {action.id: action for action in self.actions}
        places = (*SCREENS, *MENUS)
        self._by_key = {where: self._keys_of(where) for where in places}

    def __getitem__(self, action_id: str) -> Action:
        return self._by_id[action_id]

    def __contains__(self, action_id: object) -> bool:
        return action_id in self._by_id

    def on(self, where: Where, *, read_only: bool = False) -> list[Action]:
        """What can be done on a screen, or in a menu of it; in read-only mode nothing that writes."""
        places = {where} if where in MENUS else {where, Where.COMMON, Where.EVERYWHERE}
        return [a for a in self.offered(read_only=read_only) if a.where in places]

    def offered(self, *, read_only: bool = False) -> list[Action]:
        """What can be done on any screen; in read-only mode nothing that writes."""
        return [a for a in self.actions if not (read_only and (a.dangerous or a.writes))]

    def sign(self, action_id: str) -> str:
        """The first key of an action as it is written on the keyboard, or its name where it has none."""
        action = self._by_id[action_id]
        return key_sign(action.keys[0]) if action.keys else f":{action.label}"

    def find(self, where: Where, key: str) -> Action | None:
        """The action of a key on a screen or in a menu."""
        return self._by_key[where].get(key)

    def with_keys(self, keys: Mapping[str, Sequence[str]]) -> "Registry":
        """The same actions, some with other keys.

        Parameters
        ----------
        keys : mapping
            The keys of an action by its id, as Textual names them or as they are written: ``R``,
            ``ctrl+r``, ``?``, ``esc``. None at all leaves the action to palette and commands.

        Raises
        ------
        KeyClash
            An action is unknown, a key does not exist, two actions would share a key on one screen, or a
            dangerous action would have a key that is pressed without thought.
        """
        for action_id in keys:
            if action_id not in self._by_id:
                raise KeyClash(f"there is no action '{action_id}': `astrid keys` names them all")
            for key in keys[action_id]:
                if not is_key(key_name(key)):
                    raise KeyClash(
                        f"'{key}' is no key: write one character, such as R or ?, or a name such as"
                        " ctrl+r or f5"
                    )
        changed = [
            replace(action, keys=tuple(map(key_name, keys[action.id]))) if action.id in keys else action
            for action in self.actions
        ]
        for action in changed:
            if action.dangerous and not all(len(key) == 1 and key.isupper() for key in action.keys):
                raise KeyClash(f"'{action.id}' cannot be undone: only capital letters may be its keys")
        return Registry(changed)

    def _keys_of(self, where: Where) -> dict[str, Action]:
        found: dict[str, Action] = {}
        for action in self.on(where):
            for key in action.keys:
                if key in found:
                    raise KeyClash(
                        f"'{found[key].id}' and '{action.id}' would share the key {key_sign(key)}"
                        f" ({where.value})"
                    )
                found[key] = action
        return found


def grouped(actions: Iterable[Action]) -> dict[str, list[Action]]:
    """Actions under their headings, both in the registry's order."""
    groups: dict[str, list[Action]] = {}
    for action in actions:
        groups.setdefault(action.group, []).append(action)
    return groups


def footer_actions(actions: Iterable[Action], width: int, gap: int = 1) -> list[Action]:
    """Those actions that fit on one line: the most deserving first, shown in the registry's order."""
    offered = [action for action in actions if action.footer and action.keys]
    ranked = sorted(offered, key=lambda action: -action.footer)
    kept: set[str] = set()
    room = width
    for action in ranked:
        room -= len(key_sign(action.keys[0])) + 1 + len(action.label) + gap
        if room < -gap:
            break
        kept.add(action.id)
    return [action for action in offered if action.id in kept]
