"""Jobs, tasks, attempts, assignments, and the capacity book."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from suanlian.store.columns import Document, Exact, Id, Label, Line, Moment
from suanlian.store.tables.base import BIG_SERIAL, metadata

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("project_id", Id, nullable=False),
    Column("entity_id", Id, nullable=False),
    Column("name", Label, nullable=False),
    Column("state", Label, nullable=False),
    Column("tasks", Integer, nullable=False),
    Column("queued", Integer, nullable=False),
    Column("tally", Document, nullable=False),
    Column("spec", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("origin", Label, nullable=False),
    Column("delegated_buyer", Label, nullable=False),
    Column("path", Document, nullable=False),
    Column("canceling", Boolean, nullable=False),
    Column("waiting", Document),
    Column("created_by", Id, nullable=False),
    # its place among what waits, by age: at first its own id; who goes first by priority trades it for an older one
    Column("turn", Id, nullable=False, server_default=text("''")),
    # higher goes first, within the account
    Column("priority", Integer, nullable=False, server_default=text("0")),
    # it waits for other jobs: whether any edge of it is not met, written anew whenever one is
    Column("blocked", Boolean, nullable=False, server_default=text("false")),
    # when the last task must have begun to end in time, and when all must have ended
    Column("start_by", Moment),
    Column("deadline", Moment),
    # of a job with a budget: what its attempts cost, those that have not ended by their estimate
    Column("committed", Exact),
    # tasks below this index have rows; the others are all in the state `rest`
    Column("made", Integer, nullable=False, server_default=text("0")),
    Column("rest", Label, nullable=False, server_default=text("'QUEUED'")),
    # where those are sent by a move, as in task.aim
    Column("rest_aim", Document),
    # why tasks ended that nobody cancelled
    Column("reason", Document, nullable=False, server_default=text("''")),
    # how the telling of its end stands: empty where nobody is to be told
    Column("webhook", Label, nullable=False, server_default=text("''")),
    # empty for ordinary work; else what the hub itself wants to find out by it (model/probe.Purpose)
    Column("purpose", Label, nullable=False, server_default=text("''")),
    # what a probe does, by values (model/probe.ProbeTask); none for ordinary work
    Column("probe", Document),
    # the name of the platform that lent it; empty for what people submitted here
    Column("lender", Label, nullable=False, server_default=text("''")),
    Index("ix_job_account", "account_id", "id"),
)

# created_by of a probe is the run that it belongs to
Index(
    "ix_job_probe",
    job.c.purpose,
    job.c.created_by,
    sqlite_where=job.c.purpose != "",
    postgresql_where=job.c.purpose != "",
)

_waits = (job.c.queued > 0) & job.c.blocked.is_(False)
Index("ix_job_queued", job.c.turn, sqlite_where=_waits, postgresql_where=_waits)
Index(
    "ix_job_preferred",
    job.c.account_id,
    job.c.priority,
    sqlite_where=job.c.queued > 0,
    postgresql_where=job.c.queued > 0,
)
_timed = job.c.start_by.is_not(None) & job.c.ended_at.is_(None)
Index("ix_job_start_by", job.c.start_by, sqlite_where=_timed, postgresql_where=_timed)

edge = Table(
    "edge",
    metadata,
    Column("job_id", Id, nullable=False),
    # which of the job's `after` it is
    Column("place", Integer, nullable=False),
    Column("upstream_id", Id, nullable=False),
    Column("on_", Label, nullable=False),
    Column("met_at", Moment),
    PrimaryKeyConstraint("job_id", "place"),
)
Index(
    "ix_edge_unmet", edge.c.upstream_id, sqlite_where=edge.c.met_at.is_(None), postgresql_where=edge.c.met_at.is_(None)
)

# what follows from the end of a job, written with it and removed when it is done
consequence = Table(
    "consequence",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("what", Label, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("tries", Integer, nullable=False),
    PrimaryKeyConstraint("what", "job_id"),
    Index("ix_consequence_due", "what", "due_at"),
)

task = Table(
    "task",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("state", Label, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempt_id", Id),
    Column("queued_at", Moment, nullable=False),
    # what becomes of it while its place is lost: empty, "yes" (it looks for another), "no" (it waits for its own)
    Column("rerun", Label, nullable=False, server_default=text("''")),
    # it is given no place before, after a try that failed
    Column("not_before", Moment),
    # where it is to go or not to go, by a move: {"platform": ..., "avoid": [...], "until": ...}
    Column("aim", Document),
    PrimaryKeyConstraint("job_id", "idx"),
)
_unplaced = task.c.attempt_id.is_(None)
Index("ix_task_unplaced", task.c.job_id, task.c.idx, sqlite_where=_unplaced, postgresql_where=_unplaced)

_rests = task.c.not_before.is_not(None)
Index("ix_task_not_before", task.c.not_before, sqlite_where=_rests, postgresql_where=_rests)

Index("ix_task_rerun", task.c.job_id, sqlite_where=task.c.rerun != "", postgresql_where=task.c.rerun != "")

attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("platform_id", ForeignKey("platform.id"), nullable=False, index=True),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("share_id", Id, nullable=False),
    Column("flavor_id", Id, nullable=False),
    Column("variant", Integer, nullable=False),
    Column("state", Label, nullable=False),
    Column("wish", Label, nullable=False),
    Column("wish_version", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("report_version", BigInteger, nullable=False),
    Column("granted", Document, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("outcome", Document, nullable=False),
    # what was known of the site by a check when the attempt got its place; none where nothing was asked
    Column("relied", Document),
    # when the answer was about to leave that told its connector to run it, kept before it left; of probes alone
    Column("first_told_at", Moment),
    # since when another attempt counts in its place, and since when its connector says that nothing of it is left
    Column("fenced_at", Moment),
    Column("gone_at", Moment),
    # why it ended, one of model/job.EndCause; and why it was told to make room, in words
    Column("cause", Label, nullable=False, server_default=text("''")),
    Column("wish_why", Line, nullable=False, server_default=text("''")),
    # whether a checkpoint is among what it is handed
    Column("restored", Boolean, nullable=False, server_default=text("false")),
    # objects that it may read besides the inputs, frozen when it got its place (model/demand.Source)
    Column("passed", Document),
    # datasets that it reads, and where they lie (model/data.LocalData)
    Column("data", Document),
    # of a job with a budget: what it was to cost
    Column("estimate", Exact),
    UniqueConstraint("job_id", "idx", "number"),
    Index("ix_attempt_connector", "connector_id", "revision"),
    Index("ix_attempt_created", "created_at"),
)

Index(
    "ix_attempt_fenced",
    attempt.c.connector_id,
    sqlite_where=attempt.c.fenced_at.is_not(None) & attempt.c.gone_at.is_(None),
    postgresql_where=attempt.c.fenced_at.is_not(None) & attempt.c.gone_at.is_(None),
)

Index(
    "ix_attempt_live",
    attempt.c.platform_id,
    sqlite_where=attempt.c.ended_at.is_(None),
    postgresql_where=attempt.c.ended_at.is_(None),
)

assignment = Table(
    "assignment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", ForeignKey("attempt.id"), nullable=False, unique=True),
    Column("share_id", Id, nullable=False),
    # none where nothing is charged: probes, and level run
    Column("offer_id", Id),
    Column("offer_version", Integer),
    Column("body", Document, nullable=False),
)

capacity = Table(
    "capacity",
    metadata,
    Column("id", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("share_id", Id, nullable=False),
    Column("kind", Label, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("start_at", Moment, nullable=False),
    Column("end_at", Moment),
    Column("holder_kind", Label, nullable=False),
    Column("holder_id", Id, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("written_at", Moment, nullable=False),
    UniqueConstraint("holder_kind", "holder_id", "share_id", "kind", "token"),
    Index("ix_capacity_share", "share_id", "end_at"),
    Index("ix_capacity_end", "end_at"),
)
