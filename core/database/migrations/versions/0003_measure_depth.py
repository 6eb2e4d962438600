"""Measure depth: completeness against brightness, frame by frame"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBERS = ("m50_err", "flux50", "snr50")


def upgrade() -> None:
    for name in NUMBERS:
        op.add_column("difference", sa.Column(name, sa.Float(), nullable=True))
    op.add_column("difference", sa.Column("depth_reason", sa.String(), nullable=True))
    op.add_column("difference", sa.Column("completeness", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("difference") as batch:
        for name in ("completeness", "depth_reason", *NUMBERS):
            batch.drop_column(name)
