"""Who looks at a card asks the store now and then, also where nothing can be written."""

import asyncio
from types import SimpleNamespace

import pytest

from core.database.store_errors import StoreError
from screens.review import company
from screens.review.company import Company
from screens.review.queue import Entry


class Desk:
    """A desk whose store counts how often it is asked."""

    def __init__(self, *, is_away: bool) -> None:
        self.habits = SimpleNamespace(open_card_s=0.3, blind=False)
        self.told = self.asked = 0
        self._is_away = is_away

    def keep_open(self, _: int) -> None:
        self.told += 1
        if self._is_away:
            raise StoreError("the store does not answer")

    def others(self, _: int) -> list[str]:
        self.asked += 1
        return []

    def said_by_others(self, _: list[int]) -> dict[str, str]:
        return {}


@pytest.mark.parametrize(("read_only", "is_away"), [(False, False), (False, True), (True, False)])
async def test_the_store_is_asked_every_few_moments(monkeypatch, read_only, is_away):
    monkeypatch.setattr(company, "SETTLE_S", 0.05)
    monkeypatch.setattr(company, "LOOK_S", 0.1)
    desk = Desk(is_away=is_away)
    screen = SimpleNamespace(
        desk=desk, queue=SimpleNamespace(current=Entry(7)), host=SimpleNamespace(read_only=read_only),
        card=None, reading=None, paint=lambda: None,
    )  # fmt: skip
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Company(screen)._accompany(), 0.35)
    assert max(desk.told, desk.asked) <= 6
    assert bool(desk.told) is not read_only
