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
    for name in ("process", "reason", "flow_run_id"):
        op.add_column("run", sa.Column(name, sa.String(), nullable=True))
    op.create_index(op.f("ix_observation_path"), "observation", ["path"], unique=False)
    op.create_table(
        "queue_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_queue_event_observation_id_observation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_event")),
    )
    op.create_index(op.f("ix_queue_event_observation_id"), "queue_event", ["observation_id"], unique=False)
    op.create_table(
        "watched_folder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("watcher", sa.String(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("interval_s", sa.Float(), nullable=False),
        sa.Column("processes", sa.Boolean(), nullable=False),
        sa.Column("heartbeat_at", sa.Float(), nullable=False),
        sa.Column("last_file_at", sa.Float(), nullable=True),
        sa.Column("cadence_s", sa.Float(), nullable=True),
        sa.Column("unsettled", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watched_folder")),
        sa.UniqueConstraint("host", "path", name=op.f("uq_watched_folder_host_path")),
    )
    op.create_table(
        "watched_file",
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.Float(), nullable=False),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["watched_folder.id"], name=op.f("fk_watched_file_folder_id_watched_folder")
        ),
        sa.PrimaryKeyConstraint("folder_id", "name", name=op.f("pk_watched_file")),
    )
    op.create_table(
        "score_map",
        sa.Column("difference_id", sa.Integer(), nullable=False),
        sa.Column("blocks", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["difference_id"], ["difference.id"], name=op.f("fk_score_map_difference_id_difference")
        ),
        sa.PrimaryKeyConstraint("difference_id", name=op.f("pk_score_map")),
    )
    op.create_table(
        "thumbnail",
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("pixels", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_thumbnail_observation_id_observation")
        ),
        sa.PrimaryKeyConstraint("observation_id", name=op.f("pk_thumbnail")),
    )
    op.create_index("ix_observation_newest", "observation", ["state", "id"], unique=False)
    for name in ("value", "limit"):
        op.add_column("stage_run", sa.Column(name, sa.Float(), nullable=True))
    op.create_index("ix_observation_sky", "observation", ["dec", "ra"], unique=False)
    op.create_index(op.f("ix_observation_radius_deg"), "observation", ["radius_deg"], unique=False)
    for name in ("host", "cause"):
        op.add_column("health_event", sa.Column(name, sa.String(), server_default="", nullable=False))
    op.add_column("health_event", sa.Column("opened_at", sa.Float(), server_default="0", nullable=False))
    for name in ("closed_at", "alerted_at"):
        op.add_column("health_event", sa.Column(name, sa.Float(), nullable=True))
    op.add_column("health_event", sa.Column("alert_problem", sa.String(), nullable=True))
    op.create_index("uq_health_event_trouble", "health_event", ["check", "host", "cause"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_health_event_trouble", table_name="health_event")
    with op.batch_alter_table("health_event") as batch:
        for name in ("alert_problem", "alerted_at", "closed_at", "opened_at", "cause", "host"):
            batch.drop_column(name)
    op.drop_index(op.f("ix_observation_radius_deg"), table_name="observation")
    op.drop_index("ix_observation_sky", table_name="observation")
    with op.batch_alter_table("stage_run") as batch:
        for name in ("limit", "value"):
            batch.drop_column(name)
    op.drop_index("ix_observation_newest", table_name="observation")
    for table in ("thumbnail", "score_map", "watched_file", "watched_folder", "queue_event"):
        op.drop_table(table)
    op.drop_index(op.f("ix_observation_path"), table_name="observation")
    with op.batch_alter_table("run") as batch:
        for name in ("flow_run_id", "reason", "process"):
            batch.drop_column(name)
        batch.drop_column("energy")
        batch.drop_column("energy_j")
    op.drop_table("power_device")
