"""Datasets: versions, files, copies, transfers, rules, and work on storage."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact, Moment

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; nobody has a dataset yet."""
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("residency", sa.Text(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.Column("deleted_at", Moment(), nullable=True),
        sa.Column("versions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_dataset_account_id_name")),
    )
    op.create_table(
        "copy_rule",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("whole", sa.Integer(), nullable=False),
        sa.Column("coming", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_copy_rule_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy_rule")),
    )
    op.create_index("ix_copy_rule_dataset", "copy_rule", ["dataset_id"], unique=False)
    op.create_table(
        "dataset_version",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("public_id", sa.String(length=128), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("largest", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("residency", sa.Text(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("sealed_at", Moment(), nullable=True),
        sa.Column("deleted_at", Moment(), nullable=True),
        sa.Column("origin", sa.String(length=400), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("reading", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_version_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_version")),
        sa.UniqueConstraint("dataset_id", "number", name=op.f("uq_dataset_version_dataset_id_number")),
    )
    op.create_index("ix_dataset_version_state", "dataset_version", ["state"], unique=False)
    op.create_table(
        "dataset_file",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("reading", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("largest", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["dataset_version.id"], name=op.f("fk_dataset_file_version_id")),
        sa.PrimaryKeyConstraint("version_id", "reading", "start", name=op.f("pk_dataset_file")),
    )
    op.create_table(
        "job_data",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["dataset_version.id"], name=op.f("fk_job_data_version_id")),
        sa.PrimaryKeyConstraint("version_id", "job_id", name=op.f("pk_job_data")),
    )
    op.create_index("ix_job_data_job", "job_data", ["job_id"], unique=False)
    op.create_table(
        "replica",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("storage_id", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", Moment(), nullable=True),
        sa.Column("pinned_until", Moment(), nullable=True),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("read_at", Moment(), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("gone_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["dataset_version.id"], name=op.f("fk_replica_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replica")),
    )
    op.create_index("ix_replica_state", "replica", ["state"], unique=False)
    op.create_index(
        "ix_replica_storage",
        "replica",
        ["storage_id"],
        unique=False,
        sqlite_where=sa.text("state != 'gone'"),
        postgresql_where=sa.text("state != 'gone'"),
    )
    op.create_index("ix_replica_version", "replica", ["version_id"], unique=False)
    op.create_index(
        "uq_replica_version_storage",
        "replica",
        ["version_id", "storage_id"],
        unique=True,
        sqlite_where=sa.text("state != 'gone'"),
        postgresql_where=sa.text("state != 'gone'"),
    )
    op.create_table(
        "data_transfer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.String(length=128), nullable=False),
        sa.Column("storage_id", sa.String(length=36), nullable=False),
        sa.Column("replica_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=True),
        sa.Column("push", sa.Boolean(), nullable=False),
        sa.Column("via_id", sa.String(length=36), nullable=True),
        sa.Column("after_id", sa.String(length=36), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("files_done", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("deadline", Moment(), nullable=True),
        sa.Column("begins_at", Moment(), nullable=True),
        sa.Column("ends_at", Moment(), nullable=True),
        sa.Column("windows", sa.Text(), nullable=False),
        sa.Column("rate_mbps", Exact(), nullable=True),
        sa.Column("cost_cny", Exact(), nullable=True),
        sa.Column("seen_mbps", Exact(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("excluded", sa.Text(), nullable=False),
        sa.Column("heard_at", Moment(), nullable=True),
        sa.Column("code", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["replica_id"], ["replica.id"], name=op.f("fk_data_transfer_replica_id")),
        sa.ForeignKeyConstraint(["version_id"], ["dataset_version.id"], name=op.f("fk_data_transfer_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_transfer")),
    )
    op.create_index("ix_data_transfer_account", "data_transfer", ["account_id", "id"], unique=False)
    op.create_index(
        "ix_data_transfer_open",
        "data_transfer",
        ["state"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_data_transfer_replica", "data_transfer", ["replica_id"], unique=False)
    op.create_index("ix_data_transfer_version", "data_transfer", ["version_id"], unique=False)
    op.create_table(
        "replica_use",
        sa.Column("replica_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("holder_id", sa.String(length=36), nullable=False),
        sa.Column("until", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["replica_id"], ["replica.id"], name=op.f("fk_replica_use_replica_id")),
        sa.PrimaryKeyConstraint("replica_id", "kind", "holder_id", name=op.f("pk_replica_use")),
    )
    op.create_index("ix_replica_use_holder", "replica_use", ["holder_id"], unique=False)
    op.create_table(
        "storage_task",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("storage_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("wish", sa.String(length=128), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("version_id", sa.String(length=36), nullable=True),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.Column("transfer_id", sa.String(length=36), nullable=True),
        sa.Column("grant_task", sa.String(length=36), nullable=True),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=128), nullable=False),
        sa.Column("code", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("heard_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_storage_task_connector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_task")),
    )
    op.create_index("ix_storage_task_connector", "storage_task", ["connector_id", "created_at"], unique=False)
    op.create_index("ix_storage_task_grant", "storage_task", ["grant_task"], unique=False)
    op.create_index("ix_storage_task_replica", "storage_task", ["replica_id"], unique=False)
    op.create_index("ix_storage_task_transfer", "storage_task", ["transfer_id"], unique=False)
    op.create_table(
        "grant_page",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["storage_task.id"], name=op.f("fk_grant_page_task_id")),
        sa.PrimaryKeyConstraint("task_id", "page", name=op.f("pk_grant_page")),
    )
    op.create_table(
        "transfer_want",
        sa.Column("transfer_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=128), nullable=False),
        sa.Column("who", sa.String(length=36), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("deadline", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["data_transfer.id"], name=op.f("fk_transfer_want_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", "purpose", "who", name=op.f("pk_transfer_want")),
    )
    op.create_index("ix_transfer_want_who", "transfer_want", ["who"], unique=False)
