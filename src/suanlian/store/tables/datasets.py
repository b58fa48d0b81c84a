"""Datasets: versions, their files by pages, copies and who reads them, transfers, rules, and work for connectors."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from suanlian.store.columns import Document, Exact, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

dataset = Table(
    "dataset",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("entity_id", Id, nullable=False),
    Column("name", Label, nullable=False),
    Column("title", Line, nullable=False),
    Column("level", Integer, nullable=False),
    Column("residency", Document, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("expires_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Id, nullable=False),
    # made anew under its name it goes on with its numbers: a reference never means something else later
    Column("deleted_at", Moment),
    Column("versions", Integer, nullable=False),
    UniqueConstraint("account_id", "name"),
)

dataset_version = Table(
    "dataset_version",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False),
    Column("dataset_id", ForeignKey("dataset.id"), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", Label, nullable=False),
    Column("files", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("largest", BigInteger, nullable=False),
    # fixed when it is told that all files are; nothing is told after
    Column("digest", Label),
    Column("level", Integer, nullable=False),
    Column("residency", Document, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("expires_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("sealed_at", Moment),
    Column("deleted_at", Moment),
    Column("origin", Line, nullable=False),
    Column("reason", Line, nullable=False),
    # which reading of a place its files are of: pages of two are never mixed
    Column("reading", Integer, nullable=False),
    UniqueConstraint("dataset_id", "number"),
    Index("ix_dataset_version_state", "state"),
)

# up to 5,000 files a row, in the order of paths
dataset_file = Table(
    "dataset_file",
    metadata,
    Column("version_id", ForeignKey("dataset_version.id"), nullable=False),
    Column("reading", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("largest", BigInteger, nullable=False),
    Column("last", Text, nullable=False),
    # a JSON list of lists: path, size, sha256
    Column("body", Document, nullable=False),
    PrimaryKeyConstraint("version_id", "reading", "start"),
)

# which jobs name a version: it is not deleted before they have ended
job_data = Table(
    "job_data",
    metadata,
    Column("version_id", ForeignKey("dataset_version.id"), nullable=False),
    Column("job_id", Id, nullable=False),
    PrimaryKeyConstraint("version_id", "job_id"),
    Index("ix_job_data_job", "job_id"),
)

replica = Table(
    "replica",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version_id", ForeignKey("dataset_version.id"), nullable=False),
    Column("storage_id", Id, nullable=False),
    Column("connector_id", Id, nullable=False),
    Column("state", Label, nullable=False),
    Column("place", Text, nullable=False),
    Column("managed", Boolean, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("verified_at", Moment),
    Column("pinned_until", Moment),
    Column("expires_at", Moment),
    Column("read_at", Moment),
    Column("reason", Line, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("gone_at", Moment),
    Index("ix_replica_version", "version_id"),
    Index("ix_replica_state", "state"),
)
_there = replica.c.state != "gone"
Index("ix_replica_storage", replica.c.storage_id, sqlite_where=_there, postgresql_where=_there)
Index(
    "uq_replica_version_storage",
    replica.c.version_id,
    replica.c.storage_id,
    unique=True,
    sqlite_where=_there,
    postgresql_where=_there,
)

# who reads a copy: attempt, transfer or grant; it does not leave meanwhile
replica_use = Table(
    "replica_use",
    metadata,
    Column("replica_id", ForeignKey("replica.id"), nullable=False),
    Column("kind", Label, nullable=False),
    Column("holder_id", Id, nullable=False),
    Column("until", Moment),
    PrimaryKeyConstraint("replica_id", "kind", "holder_id"),
    Index("ix_replica_use_holder", "holder_id"),
)

data_transfer = Table(
    "data_transfer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version_id", ForeignKey("dataset_version.id"), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("state", Label, nullable=False),
    Column("purpose", Label, nullable=False),
    Column("storage_id", Id, nullable=False),
    Column("replica_id", ForeignKey("replica.id"), nullable=False),
    Column("source_id", Id),
    Column("push", Boolean, nullable=False),
    # the storage between, and the transfer that brings it there
    Column("via_id", Id),
    Column("after_id", Id),
    Column("bytes", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("bytes_done", BigInteger, nullable=False),
    Column("files_done", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("deadline", Moment),
    Column("begins_at", Moment),
    Column("ends_at", Moment),
    Column("windows", Document, nullable=False),
    Column("rate_mbps", Exact),
    Column("cost_cny", Exact),
    Column("seen_mbps", Exact),
    Column("tries", Integer, nullable=False),
    Column("not_before", Moment),
    # sources that failed it: a JSON list of replicas
    Column("excluded", Document, nullable=False),
    # since when nothing was heard of it, while it goes
    Column("heard_at", Moment),
    Column("code", Label, nullable=False),
    Column("reason", Line, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_data_transfer_version", "version_id"),
    Index("ix_data_transfer_replica", "replica_id"),
    Index("ix_data_transfer_account", "account_id", "id"),
)
_goes = data_transfer.c.ended_at.is_(None)
Index("ix_data_transfer_open", data_transfer.c.state, sqlite_where=_goes, postgresql_where=_goes)

# for whom it is made: it is canceled when the last of them wants it no more
transfer_want = Table(
    "transfer_want",
    metadata,
    Column("transfer_id", ForeignKey("data_transfer.id"), nullable=False),
    Column("purpose", Label, nullable=False),
    Column("who", Id, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("deadline", Moment),
    Column("created_at", Moment, nullable=False),
    PrimaryKeyConstraint("transfer_id", "purpose", "who"),
    Index("ix_transfer_want_who", "who"),
)

copy_rule = Table(
    "copy_rule",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("dataset_id", ForeignKey("dataset.id"), nullable=False),
    # none: the newest version that is sealed
    Column("version_id", Id),
    Column("body", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("whole", Integer, nullable=False),
    Column("coming", Integer, nullable=False),
    Column("reason", Line, nullable=False),
    Index("ix_copy_rule_dataset", "dataset_id"),
)

storage_task = Table(
    "storage_task",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("storage_id", Id, nullable=False),
    Column("kind", Label, nullable=False),
    Column("wish", Label, nullable=False),
    # not told yet: what it waits for is not there
    Column("held", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    # the connector's counter at the last change: what was told up to it may be forgotten
    Column("revision", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("not_before", Moment),
    Column("version_id", Id),
    Column("replica_id", Id),
    Column("transfer_id", Id),
    Column("grant_task", Id),
    Column("account_id", Id),
    # what else is told of it (model/data_protocol.StorageTask)
    Column("body", Document, nullable=False),
    # what was reported last: going, checking, done, failed; and why
    Column("state", Label, nullable=False),
    Column("code", Label, nullable=False),
    Column("reason", Line, nullable=False),
    Column("expires_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("heard_at", Moment),
    Column("ended_at", Moment),
    Index("ix_storage_task_connector", "connector_id", "created_at"),
    Index("ix_storage_task_replica", "replica_id"),
    Index("ix_storage_task_transfer", "transfer_id"),
    Index("ix_storage_task_grant", "grant_task"),
)

# what whoever mints a grant sealed for whoever uses it: the hub cannot read it
grant_page = Table(
    "grant_page",
    metadata,
    Column("task_id", ForeignKey("storage_task.id"), nullable=False),
    Column("page", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    PrimaryKeyConstraint("task_id", "page"),
)
