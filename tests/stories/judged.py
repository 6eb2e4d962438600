"""What became of objects that were judged, and commands that are typed."""

from sqlmodel import select

from core.database.tables import SkyObject

SIZES = [(80, 24), (140, 40)]


def states(store):
    with store.read() as db:
        return [row.review_state for row in db.exec(select(SkyObject).order_by(SkyObject.id))]


def best(store, object_id):
    with store.read() as db:
        return db.get_one(SkyObject, object_id).best_candidate_id


async def type_command(vera, line):
    await vera.pilot.press("colon")
    await vera.typed(line)
