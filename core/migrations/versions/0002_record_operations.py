"""Record operations: what a run takes"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "power_device",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("memory_mib", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("sampled_by", sa.String(), nullable=True),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_power_device")),
    )
    op.create_index(op.f("ix_power_device_host"), "power_device", ["host"], unique=False)
    op.add_column("run", sa.Column("energy_j", sa.Float(), nullable=True))
    op.add_column("run", sa.Column("energy", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("run") as batch:
        batch.drop_column("energy")
        batch.drop_column("energy_j")
    op.drop_table("power_device")
