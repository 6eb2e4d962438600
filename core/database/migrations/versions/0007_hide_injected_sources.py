"""Hide injected sources in the review queue: what they are, and when a verdict revealed them"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OBJECT_KEY = "fk_injection_sky_object_id_sky_object"


def upgrade() -> None:
    op.create_table(
        "injected_source",
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("reference_id", sa.Integer(), nullable=False),
        sa.Column("x", sa.Float(), nullable=False),
        sa.Column("y", sa.Float(), nullable=False),
        sa.Column("ra", sa.Float(), nullable=True),
        sa.Column("dec", sa.Float(), nullable=True),
        sa.Column("mjd", sa.Float(), nullable=False),
        sa.Column("flux", sa.Float(), nullable=False),
        sa.Column("mag", sa.Float(), nullable=True),
        sa.Column("mag_system", sa.String(), nullable=True),
        sa.Column("mag_per_day", sa.Float(), nullable=False),
        sa.Column("snr", sa.Float(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("revealed_at", sa.Float(), nullable=True),
        sa.Column("verdict_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_injected_source_sky_object_id_sky_object")
        ),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["reference.id"], name=op.f("fk_injected_source_reference_id_reference")
        ),
        sa.ForeignKeyConstraint(
            ["verdict_id"], ["verdict.id"], name=op.f("fk_injected_source_verdict_id_verdict")
        ),
        sa.PrimaryKeyConstraint("sky_object_id", name=op.f("pk_injected_source")),
    )
    op.create_index(
        op.f("ix_injected_source_reference_id"), "injected_source", ["reference_id"], unique=False
    )
    with op.batch_alter_table("injection") as batch:
        batch.add_column(sa.Column("sky_object_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(op.f(OBJECT_KEY), "sky_object", ["sky_object_id"], ["id"])
        batch.drop_column("revealed_at")
    op.create_index(op.f("ix_injection_sky_object_id"), "injection", ["sky_object_id"], unique=False)
    op.create_index(op.f("ix_injection_difference_id"), "injection", ["difference_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_injection_difference_id"), table_name="injection")
    op.drop_index(op.f("ix_injection_sky_object_id"), table_name="injection")
    with op.batch_alter_table("injection") as batch:
        batch.add_column(sa.Column("revealed_at", sa.Float(), nullable=True))
        batch.drop_constraint(op.f(OBJECT_KEY), type_="foreignkey")
        batch.drop_column("sky_object_id")
    op.drop_table("injected_source")
