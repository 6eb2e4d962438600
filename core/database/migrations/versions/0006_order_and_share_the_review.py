"""Order and share the review: queues by brightness, age and models; open cards; experts"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ORDERS = ("best_mag", "anomaly", "uncertainty")


def upgrade() -> None:
    for name in ORDERS:
        op.add_column("sky_object", sa.Column(name, sa.Float(), nullable=True))
    op.execute(
        "UPDATE sky_object SET best_mag ="
        " (SELECT mag FROM candidate WHERE candidate.id = sky_object.best_candidate_id)"
    )
    op.create_index("ix_sky_object_brightness", "sky_object", ["review_state", "best_mag", "id"])
    op.create_index("ix_sky_object_age", "sky_object", ["review_state", "first_mjd", "id"])
    for name in ("anomaly", "uncertainty"):
        op.create_index(
            f"ix_sky_object_{name}",
            "sky_object",
            ["review_state", name, "id"],
            sqlite_where=sa.text(f"{name} IS NOT NULL"),
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    op.create_table(
        "open_card",
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_open_card_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_open_card")),
    )
    op.create_index(op.f("ix_open_card_sky_object_id"), "open_card", ["sky_object_id"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("expert", sa.String(), nullable=False),
        sa.Column("assigned_by", sa.String(), nullable=False),
        sa.Column("assigned_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_assignment_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("sky_object_id", name=op.f("pk_assignment")),
    )
    op.create_index(op.f("ix_assignment_expert"), "assignment", ["expert"], unique=False)


def downgrade() -> None:
    op.drop_table("assignment")
    op.drop_table("open_card")
    for name in ("uncertainty", "anomaly", "age", "brightness"):
        op.drop_index(f"ix_sky_object_{name}", table_name="sky_object")
    with op.batch_alter_table("sky_object") as batch:
        for name in ORDERS:
            batch.drop_column(name)
