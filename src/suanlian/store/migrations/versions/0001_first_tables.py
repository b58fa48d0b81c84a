"""first tables."""

import sqlalchemy as sa
from alembic import op

import suanlian.store.columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "capacity",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("start_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("end_at", suanlian.store.columns.Moment(), nullable=True),
        sa.Column("holder_kind", sa.String(length=128), nullable=False),
        sa.Column("holder_id", sa.String(length=36), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("written_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacity")),
        sa.UniqueConstraint(
            "holder_kind",
            "holder_id",
            "share_id",
            "kind",
            "token",
            name=op.f("uq_capacity_holder_kind_holder_id_share_id_kind_token"),
        ),
    )
    with op.batch_alter_table("capacity", schema=None) as batch_op:
        batch_op.create_index("ix_capacity_end", ["end_at"], unique=False)
        batch_op.create_index("ix_capacity_share", ["share_id", "end_at"], unique=False)

    op.create_table(
        "charge",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("correction_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("quantity", suanlian.store.columns.Exact(length=64), nullable=False),
        sa.Column("rate", suanlian.store.columns.Exact(length=64), nullable=False),
        sa.Column("cost", suanlian.store.columns.Micros(), nullable=False),
        sa.Column("currency", sa.String(length=128), nullable=False),
        sa.Column("offer_id", sa.String(length=36), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("offer_name", sa.String(length=128), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("started_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("ended_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("written_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge")),
        sa.UniqueConstraint(
            "attempt_id",
            "sequence",
            "kind",
            "correction_id",
            name=op.f("uq_charge_attempt_id_sequence_kind_correction_id"),
        ),
    )
    with op.batch_alter_table("charge", schema=None) as batch_op:
        batch_op.create_index("ix_charge_account", ["account_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_charge_job_id"), ["job_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_charge_platform_id"), ["platform_id"], unique=False)

    op.create_table(
        "delegation",
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=400), nullable=False),
        sa.Column("public_key", sa.String(length=400), nullable=False),
        sa.Column("delegated_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_delegation")),
        sa.UniqueConstraint("platform_id", name=op.f("uq_delegation_platform_id")),
    )
    op.create_table(
        "entity",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("created_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entity")),
        sa.UniqueConstraint("name", name=op.f("uq_entity_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_entity_public_id")),
    )
    op.create_table(
        "event",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=128), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_event")),
    )
    op.create_table(
        "idempotency",
        sa.Column("principal_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_hash", sa.String(length=128), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("written_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "key", name=op.f("pk_idempotency")),
    )
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_written_at"), ["written_at"], unique=False)

    op.create_table(
        "job",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("tally", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("created_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("ended_at", suanlian.store.columns.Moment(), nullable=True),
        sa.Column("origin", sa.String(length=128), nullable=False),
        sa.Column("delegated_buyer", sa.String(length=128), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("canceling", sa.Boolean(), nullable=False),
        sa.Column("waiting", sa.Text(), nullable=True),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_account", ["account_id", "id"], unique=False)
        batch_op.create_index(
            "ix_job_queued",
            ["id"],
            unique=False,
            sqlite_where=sa.text("queued > 0"),
            postgresql_where=sa.text("queued > 0"),
        )

    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "log_chunk",
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("stream", sa.String(length=128), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "stream", "start", name=op.f("pk_log_chunk")),
    )
    op.create_table(
        "node",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("url", sa.String(length=400), nullable=False),
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("created_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node")),
    )
    op.create_table(
        "nonce",
        sa.Column("key_id", sa.String(length=400), nullable=False),
        sa.Column("nonce", sa.String(length=128), nullable=False),
        sa.Column("expires_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce", name=op.f("pk_nonce")),
    )
    with op.batch_alter_table("nonce", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_nonce_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "object",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "sha256", name=op.f("pk_object")),
    )
    op.create_table(
        "one_time",
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("hash", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.String(length=128), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=True),
        sa.Column("expires_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("used_at", suanlian.store.columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_one_time")),
    )
    op.create_table(
        "output",
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "path", name=op.f("pk_output")),
    )
    with op.batch_alter_table("output", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_output_account_id"), ["account_id"], unique=False)

    op.create_table(
        "own_prefix",
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("since", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_own_prefix")),
    )
    op.create_table(
        "task",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.String(length=36), nullable=True),
        sa.Column("queued_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "idx", name=op.f("pk_task")),
    )
    op.create_table(
        "uplink",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=400), nullable=False),
        sa.Column("hub_id", sa.String(length=36), nullable=False),
        sa.Column("hub_name", sa.String(length=128), nullable=False),
        sa.Column("hub_key", sa.String(length=400), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("enrolled_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("seen_at", suanlian.store.columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uplink")),
    )
    op.create_table(
        "usage_batch",
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("received_at", suanlian.store.columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("connector_id", "digest", name=op.f("pk_usage_batch")),
    )
    op.create_table(
        "usage_correction",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("corrected_s", suanlian.store.columns.Exact(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("written_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("written_by", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_correction")),
    )
    with op.batch_alter_table("usage_correction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_usage_correction_attempt_id"), ["attempt_id"], unique=False)

    op.create_table(
        "usage_segment",
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("started_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("ended_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("batch", sa.String(length=128), nullable=False),
        sa.Column("received_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("rated_at", suanlian.store.columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("attempt_id", "sequence", name=op.f("pk_usage_segment")),
    )
    with op.batch_alter_table("usage_segment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_usage_segment_unrated",
            ["received_at"],
            unique=False,
            sqlite_where=sa.text("rated_at IS NULL"),
            postgresql_where=sa.text("rated_at IS NULL"),
        )

    op.create_table(
        "account",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("held_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", suanlian.store.columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_account_entity_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("entity_id", name=op.f("uq_account_entity_id")),
    )
    op.create_table(
        "platform",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("title_zh", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=True),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("applied_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("approved_at", suanlian.store.columns.Moment(), nullable=True),
        sa.Column("live_at", suanlian.store.columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_platform_entity_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform")),
        sa.UniqueConstraint("name", name=op.f("uq_platform_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_platform_public_id")),
    )
    op.create_table(
        "report_sent",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("uplink_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("made_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("receipt_signature", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["uplink_id"], ["uplink.id"], name=op.f("fk_report_sent_uplink_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_sent")),
    )
    op.create_table(
        "connector",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("public_key", sa.String(length=400), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("accepting", sa.Boolean(), nullable=False),
        sa.Column("enrolled_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("seen_at", suanlian.store.columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_connector_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector")),
        sa.UniqueConstraint("platform_id", "name", name=op.f("uq_connector_platform_id_name")),
    )
    with op.batch_alter_table("connector", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_connector_platform_id"), ["platform_id"], unique=False)

    op.create_table(
        "project",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_project_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_project_account_id_name")),
    )
    op.create_table(
        "published",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("valid_from", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("written_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_published_platform_id")),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_published")),
        sa.UniqueConstraint(
            "platform_id", "subject", "name", "version", name=op.f("uq_published_platform_id_subject_name_version")
        ),
    )
    op.create_table(
        "report_received",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_signature", sa.Text(), nullable=False),
        sa.Column("received_at", suanlian.store.columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_report_received_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_received")),
        sa.UniqueConstraint("platform_id", "digest", name=op.f("uq_report_received_platform_id_digest")),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("flavor_id", sa.String(length=36), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("wish", sa.String(length=128), nullable=False),
        sa.Column("wish_version", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("report_version", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.Text(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("queued_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("started_at", suanlian.store.columns.Moment(), nullable=True),
        sa.Column("ended_at", suanlian.store.columns.Moment(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_attempt_connector_id")),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_attempt_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("job_id", "idx", "number", name=op.f("uq_attempt_job_id_idx_number")),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index("ix_attempt_connector", ["connector_id", "revision"], unique=False)
        batch_op.create_index("ix_attempt_created", ["created_at"], unique=False)
        batch_op.create_index(
            "ix_attempt_live",
            ["platform_id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_attempt_platform_id"), ["platform_id"], unique=False)

    op.create_table(
        "principal",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=128), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_principal_account_id")),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_principal_entity_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_principal_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principal")),
        sa.UniqueConstraint("entity_id", "name", name=op.f("uq_principal_entity_id_name")),
    )
    op.create_table(
        "api_key",
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("hash", sa.String(length=128), nullable=False),
        sa.Column("principal_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("expires_at", suanlian.store.columns.Moment(), nullable=False),
        sa.Column("revoked_at", suanlian.store.columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name=op.f("fk_api_key_principal_id")),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_api_key")),
    )
    op.create_table(
        "assignment",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("offer_id", sa.String(length=36), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_assignment_attempt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_assignment_attempt_id")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("assignment")
    op.drop_table("api_key")
    op.drop_table("principal")
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempt_platform_id"))
        batch_op.drop_index(
            "ix_attempt_live", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL")
        )
        batch_op.drop_index("ix_attempt_created")
        batch_op.drop_index("ix_attempt_connector")

    op.drop_table("attempt")
    op.drop_table("report_received")
    op.drop_table("published")
    op.drop_table("project")
    with op.batch_alter_table("connector", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_connector_platform_id"))

    op.drop_table("connector")
    op.drop_table("report_sent")
    op.drop_table("platform")
    op.drop_table("account")
    with op.batch_alter_table("usage_segment", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_usage_segment_unrated",
            sqlite_where=sa.text("rated_at IS NULL"),
            postgresql_where=sa.text("rated_at IS NULL"),
        )

    op.drop_table("usage_segment")
    with op.batch_alter_table("usage_correction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_usage_correction_attempt_id"))

    op.drop_table("usage_correction")
    op.drop_table("usage_batch")
    op.drop_table("uplink")
    op.drop_table("task")
    op.drop_table("own_prefix")
    with op.batch_alter_table("output", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_output_account_id"))

    op.drop_table("output")
    op.drop_table("one_time")
    op.drop_table("object")
    with op.batch_alter_table("nonce", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_nonce_expires_at"))

    op.drop_table("nonce")
    op.drop_table("node")
    op.drop_table("log_chunk")
    op.drop_table("lease")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("ix_job_queued", sqlite_where=sa.text("queued > 0"), postgresql_where=sa.text("queued > 0"))
        batch_op.drop_index("ix_job_account")

    op.drop_table("job")
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_written_at"))

    op.drop_table("idempotency")
    op.drop_table("event")
    op.drop_table("entity")
    op.drop_table("delegation")
    with op.batch_alter_table("charge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_charge_platform_id"))
        batch_op.drop_index(batch_op.f("ix_charge_job_id"))
        batch_op.drop_index("ix_charge_account")

    op.drop_table("charge")
    with op.batch_alter_table("capacity", schema=None) as batch_op:
        batch_op.drop_index("ix_capacity_share")
        batch_op.drop_index("ix_capacity_end")

    op.drop_table("capacity")
