"""Know an exposure by its pixels, however its file is packed"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("observation", sa.Column("pixels", sa.String(), nullable=True))
    op.create_index(op.f("ix_observation_pixels"), "observation", ["pixels"])


def downgrade() -> None:
    op.drop_index(op.f("ix_observation_pixels"), table_name="observation")
    op.drop_column("observation", "pixels")
