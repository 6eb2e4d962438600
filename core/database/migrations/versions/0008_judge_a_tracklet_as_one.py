"""Judge a tracklet as one: the tracklet that an object goes with

What was judged stays as it is; of the others of a tracklet the first carries the card.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TRACKLETS = """
UPDATE sky_object SET tracklet_id = (
    SELECT min(tracklet_member.tracklet_id) FROM tracklet_member
    JOIN candidate ON candidate.id = tracklet_member.candidate_id
    WHERE candidate.sky_object_id = sky_object.id AND candidate.is_current
) WHERE moving
"""
# Of those that nobody judged: with one that was judged and is not bogus, as that one; else with the first.
JUDGED = """
UPDATE sky_object SET {column} = (
    SELECT other.{column} FROM sky_object AS other
    WHERE other.tracklet_id = sky_object.tracklet_id
    AND other.review_state IN ('real', 'indeterminate', 'snoozed') ORDER BY other.id LIMIT 1
) WHERE tracklet_id IS NOT NULL AND review_state = 'unreviewed' AND EXISTS (
    SELECT 1 FROM sky_object AS other WHERE other.tracklet_id = sky_object.tracklet_id
    AND other.review_state IN ('real', 'indeterminate', 'snoozed')
)
"""
LINKED = """
UPDATE sky_object SET review_state = 'linked'
WHERE tracklet_id IS NOT NULL AND review_state = 'unreviewed' AND EXISTS (
    SELECT 1 FROM sky_object AS other WHERE other.tracklet_id = sky_object.tracklet_id
    AND (other.review_state = 'escalated' OR (other.review_state = 'unreviewed' AND (
        other.first_mjd < sky_object.first_mjd
        OR (other.first_mjd = sky_object.first_mjd AND other.id < sky_object.id)
    )))
)
"""


def upgrade() -> None:
    op.add_column("sky_object", sa.Column("tracklet_id", sa.Integer(), nullable=True))
    op.execute(TRACKLETS)
    for column in ("review_label", "snoozed_at_mjd", "review_state"):  # the last is what the query asks
        op.execute(JUDGED.format(column=column))
    op.execute(LINKED)
    op.create_index(
        "ix_sky_object_tracklet",
        "sky_object",
        ["tracklet_id"],
        sqlite_where=sa.text("tracklet_id IS NOT NULL"),
        postgresql_where=sa.text("tracklet_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_sky_object_tracklet", table_name="sky_object")
    op.execute("UPDATE sky_object SET review_state = 'unreviewed' WHERE review_state = 'linked'")
    with op.batch_alter_table("sky_object") as batch:
        batch.drop_column("tracklet_id")
