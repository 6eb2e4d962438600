"""Make the first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("check", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", sa.Float(), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_event")),
    )
    op.create_index("ix_health_event_open", "health_event", ["acknowledged_at", "last_at"], unique=False)

    op.create_table(
        "observation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("extension", sa.Integer(), nullable=False),
        sa.Column("frame", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instrument", sa.String(), nullable=True),
        sa.Column("filter", sa.String(), nullable=True),
        sa.Column("field", sa.String(), nullable=True),
        sa.Column("mjd", sa.Float(), nullable=True),
        sa.Column("exposure_s", sa.Float(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("has_wcs", sa.Boolean(), nullable=False),
        sa.Column("ra", sa.Float(), nullable=True),
        sa.Column("dec", sa.Float(), nullable=True),
        sa.Column("radius_deg", sa.Float(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("seeing_px", sa.Float(), nullable=True),
        sa.Column("seeing_arcsec", sa.Float(), nullable=True),
        sa.Column("sky", sa.Float(), nullable=True),
        sa.Column("sky_rms", sa.Float(), nullable=True),
        sa.Column("zeropoint", sa.Float(), nullable=True),
        sa.Column("limit_mag", sa.Float(), nullable=True),
        sa.Column("n_stars", sa.Integer(), nullable=True),
        sa.Column("masked_fraction", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observation")),
        sa.UniqueConstraint("content", "extension", name=op.f("uq_observation_content_extension")),
    )
    op.create_index(op.f("ix_observation_field"), "observation", ["field"], unique=False)
    op.create_index(op.f("ix_observation_mjd"), "observation", ["mjd"], unique=False)
    op.create_index("ix_observation_queue", "observation", ["state", "priority", "id"], unique=False)

    op.create_table(
        "power_sample",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("watts", sa.Float(), nullable=True),
        sa.Column("energy_j", sa.Float(), nullable=True),
        sa.Column("temperature_c", sa.Float(), nullable=True),
        sa.Column("utilisation", sa.Float(), nullable=True),
        sa.Column("memory_mib", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_power_sample")),
    )
    op.create_index("ix_power_sample_device", "power_sample", ["device", "at"], unique=False)

    op.create_table(
        "reference",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=True),
        sa.Column("filter", sa.String(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("has_wcs", sa.Boolean(), nullable=False),
        sa.Column("ra", sa.Float(), nullable=True),
        sa.Column("dec", sa.Float(), nullable=True),
        sa.Column("radius_deg", sa.Float(), nullable=True),
        sa.Column("pixel_scale", sa.Float(), nullable=True),
        sa.Column("seeing_px", sa.Float(), nullable=True),
        sa.Column("zeropoint", sa.Float(), nullable=True),
        sa.Column("mag_system", sa.String(), nullable=True),
        sa.Column("flux_unit", sa.String(), nullable=False),
        sa.Column("mjd_first", sa.Float(), nullable=True),
        sa.Column("mjd_last", sa.Float(), nullable=True),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.String(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference")),
        sa.UniqueConstraint("content", "filter", "field", name=op.f("uq_reference_content_filter_field")),
    )
    op.create_index("ix_reference_choice", "reference", ["filter", "field", "is_current"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("config_hash", sa.String(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("heartbeat_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_table(
        "saved_filter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("expression", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filter")),
        sa.UniqueConstraint("reviewer", "name", name=op.f("uq_saved_filter_reviewer_name")),
    )
    op.create_table(
        "difference",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("reference_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("config_hash", sa.String(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("flux_unit", sa.String(), nullable=False),
        sa.Column("mag_system", sa.String(), nullable=True),
        sa.Column("zeropoint", sa.Float(), nullable=True),
        sa.Column("score_std", sa.Float(), nullable=False),
        sa.Column("registration_rms_px", sa.Float(), nullable=False),
        sa.Column("gain_ratio", sa.Float(), nullable=False),
        sa.Column("fwhm_new_px", sa.Float(), nullable=False),
        sa.Column("fwhm_ref_px", sa.Float(), nullable=False),
        sa.Column("masked_fraction", sa.Float(), nullable=False),
        sa.Column("m50", sa.Float(), nullable=True),
        sa.Column("limit_mag", sa.Float(), nullable=True),
        sa.Column("n_candidates", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_difference_observation_id_observation")
        ),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["reference.id"], name=op.f("fk_difference_reference_id_reference")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_difference")),
        sa.UniqueConstraint(
            "observation_id",
            "reference_id",
            "method",
            "config_hash",
            name=op.f("uq_difference_observation_id_reference_id_method_config_hash"),
        ),
    )
    op.create_index(
        "ix_difference_current",
        "difference",
        ["observation_id"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_index(op.f("ix_difference_reference_id"), "difference", ["reference_id"], unique=False)

    op.create_table(
        "sky_object",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ra", sa.Float(), nullable=True),
        sa.Column("dec", sa.Float(), nullable=True),
        sa.Column("zone", sa.Integer(), nullable=True),
        sa.Column("reference_id", sa.Integer(), nullable=True),
        sa.Column("x", sa.Float(), nullable=True),
        sa.Column("y", sa.Float(), nullable=True),
        sa.Column("first_mjd", sa.Float(), nullable=True),
        sa.Column("last_mjd", sa.Float(), nullable=True),
        sa.Column("n_candidates", sa.Integer(), nullable=False),
        sa.Column("best_score", sa.Float(), nullable=True),
        sa.Column("best_candidate_id", sa.Integer(), nullable=True),
        sa.Column("review_state", sa.String(), nullable=False),
        sa.Column("review_label", sa.String(), nullable=True),
        sa.Column("snoozed_at_mjd", sa.Float(), nullable=True),
        sa.Column("injected", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["reference.id"], name=op.f("fk_sky_object_reference_id_reference")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sky_object")),
        sa.UniqueConstraint("name", name=op.f("uq_sky_object_name")),
    )
    op.create_index("ix_sky_object_cone", "sky_object", ["zone", "ra"], unique=False)
    op.create_index("ix_sky_object_grid", "sky_object", ["reference_id", "x"], unique=False)
    op.create_index("ix_sky_object_queue", "sky_object", ["review_state", "best_score", "id"], unique=False)

    op.create_table(
        "stage_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("peak_mib", sa.Float(), nullable=True),
        sa.Column("energy_j", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_stage_run_observation_id_observation")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_stage_run_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_run")),
    )
    op.create_index(op.f("ix_stage_run_observation_id"), "stage_run", ["observation_id"], unique=False)
    op.create_index(op.f("ix_stage_run_run_id"), "stage_run", ["run_id"], unique=False)

    op.create_table(
        "candidate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=True),
        sa.Column("difference_id", sa.Integer(), nullable=True),
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("frame", sa.String(), nullable=True),
        sa.Column("filter", sa.String(), nullable=True),
        sa.Column("mjd", sa.Float(), nullable=False),
        sa.Column("x", sa.Float(), nullable=True),
        sa.Column("y", sa.Float(), nullable=True),
        sa.Column("x_frame", sa.Float(), nullable=True),
        sa.Column("y_frame", sa.Float(), nullable=True),
        sa.Column("ra", sa.Float(), nullable=True),
        sa.Column("dec", sa.Float(), nullable=True),
        sa.Column("zone", sa.Integer(), nullable=True),
        sa.Column("position_error_px", sa.Float(), nullable=True),
        sa.Column("snr", sa.Float(), nullable=False),
        sa.Column("flux", sa.Float(), nullable=True),
        sa.Column("flux_err", sa.Float(), nullable=True),
        sa.Column("flux_unit", sa.String(), nullable=True),
        sa.Column("mag", sa.Float(), nullable=True),
        sa.Column("mag_err", sa.Float(), nullable=True),
        sa.Column("mag_system", sa.String(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("mask_flags", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["difference_id"], ["difference.id"], name=op.f("fk_candidate_difference_id_difference")
        ),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_candidate_observation_id_observation")
        ),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_candidate_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidate")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_candidate_source_external_id")),
    )
    op.create_index("ix_candidate_cone", "candidate", ["zone", "ra"], unique=False)
    op.create_index(op.f("ix_candidate_difference_id"), "candidate", ["difference_id"], unique=False)
    op.create_index("ix_candidate_mag", "candidate", ["is_current", "mag", "id"], unique=False)
    op.create_index("ix_candidate_mjd", "candidate", ["is_current", "mjd", "id"], unique=False)
    op.create_index("ix_candidate_object", "candidate", ["sky_object_id", "mjd"], unique=False)
    op.create_index(op.f("ix_candidate_observation_id"), "candidate", ["observation_id"], unique=False)
    op.create_index("ix_candidate_score", "candidate", ["is_current", "score", "id"], unique=False)
    op.create_index("ix_candidate_snr", "candidate", ["is_current", "snr", "id"], unique=False)

    op.create_table(
        "forced_flux",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("difference_id", sa.Integer(), nullable=False),
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("mjd", sa.Float(), nullable=False),
        sa.Column("filter", sa.String(), nullable=True),
        sa.Column("flux", sa.Float(), nullable=False),
        sa.Column("flux_err", sa.Float(), nullable=False),
        sa.Column("flux_unit", sa.String(), nullable=False),
        sa.Column("zeropoint", sa.Float(), nullable=True),
        sa.Column("mag_system", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["difference_id"], ["difference.id"], name=op.f("fk_forced_flux_difference_id_difference")
        ),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_forced_flux_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forced_flux")),
        sa.UniqueConstraint(
            "difference_id", "sky_object_id", name=op.f("uq_forced_flux_difference_id_sky_object_id")
        ),
    )
    op.create_index(op.f("ix_forced_flux_sky_object_id"), "forced_flux", ["sky_object_id"], unique=False)

    op.create_table(
        "rejection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("difference_id", sa.Integer(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("x", sa.Float(), nullable=False),
        sa.Column("y", sa.Float(), nullable=False),
        sa.Column("ra", sa.Float(), nullable=True),
        sa.Column("dec", sa.Float(), nullable=True),
        sa.Column("zone", sa.Integer(), nullable=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("limit", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["difference_id"], ["difference.id"], name=op.f("fk_rejection_difference_id_difference")
        ),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_rejection_observation_id_observation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejection")),
    )
    op.create_index("ix_rejection_cone", "rejection", ["zone", "ra"], unique=False)
    op.create_index(op.f("ix_rejection_difference_id"), "rejection", ["difference_id"], unique=False)
    op.create_index(op.f("ix_rejection_observation_id"), "rejection", ["observation_id"], unique=False)

    op.create_table(
        "cutout",
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("pixels", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_cutout_candidate_id_candidate")
        ),
        sa.PrimaryKeyConstraint("candidate_id", name=op.f("pk_cutout")),
    )
    op.create_table(
        "injection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("difference_id", sa.Integer(), nullable=True),
        sa.Column("candidate_id", sa.Integer(), nullable=True),
        sa.Column("x", sa.Float(), nullable=False),
        sa.Column("y", sa.Float(), nullable=False),
        sa.Column("flux", sa.Float(), nullable=False),
        sa.Column("snr", sa.Float(), nullable=True),
        sa.Column("mag", sa.Float(), nullable=True),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("found", sa.Boolean(), nullable=True),
        sa.Column("revealed_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_injection_candidate_id_candidate")
        ),
        sa.ForeignKeyConstraint(
            ["difference_id"], ["difference.id"], name=op.f("fk_injection_difference_id_difference")
        ),
        sa.ForeignKeyConstraint(
            ["observation_id"], ["observation.id"], name=op.f("fk_injection_observation_id_observation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_injection")),
        sa.UniqueConstraint("candidate_id", name=op.f("uq_injection_candidate_id")),
    )
    op.create_index(op.f("ix_injection_observation_id"), "injection", ["observation_id"], unique=False)

    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("retracts_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_verdict_candidate_id_candidate")
        ),
        sa.ForeignKeyConstraint(["retracts_id"], ["verdict.id"], name=op.f("fk_verdict_retracts_id_verdict")),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_verdict_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
        sa.UniqueConstraint("hash", name=op.f("uq_verdict_hash")),
        sa.UniqueConstraint("session", "sequence", name=op.f("uq_verdict_session_sequence")),
    )
    op.create_index(op.f("ix_verdict_candidate_id"), "verdict", ["candidate_id"], unique=False)
    op.create_index(op.f("ix_verdict_retracts_id"), "verdict", ["retracts_id"], unique=False)
    op.create_index(op.f("ix_verdict_reviewer"), "verdict", ["reviewer"], unique=False)
    op.create_index(op.f("ix_verdict_session"), "verdict", ["session"], unique=False)
    op.create_index(op.f("ix_verdict_sky_object_id"), "verdict", ["sky_object_id"], unique=False)


def downgrade() -> None:
    op.drop_table("verdict")
    op.drop_table("injection")
    op.drop_table("cutout")
    op.drop_table("rejection")
    op.drop_table("forced_flux")
    op.drop_table("candidate")
    op.drop_table("stage_run")
    op.drop_table("sky_object")
    op.drop_table("difference")
    op.drop_table("saved_filter")
    op.drop_table("run")
    op.drop_table("reference")
    op.drop_table("power_sample")
    op.drop_table("observation")
    op.drop_table("health_event")
