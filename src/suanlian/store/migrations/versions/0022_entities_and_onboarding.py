"""Entities that are checked, platforms that join by steps, acts that two persons must want; what is there is kept."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_WHY: Final = "carried over: it was here before checks were kept"


def upgrade() -> None:
    """Add them. Entities count as checked, live platforms stay live and their connectors are admitted."""
    _columns()
    _tables()
    _carry_over(op.get_bind())


def _text(name: str, length: int | None = None, default: str = "") -> sa.Column[str]:
    kind: sa.types.TypeEngine[str] = sa.Text() if length is None else sa.String(length)
    return sa.Column(name, kind, nullable=False, server_default=sa.text(f"'{default}'"))


def _columns() -> None:
    with op.batch_alter_table("entity") as batch:
        batch.add_column(_text("title_zh", 400))
        batch.add_column(_text("kind", 128, "both"))
        batch.add_column(sa.Column("credit_code", sa.String(128)))
        batch.add_column(sa.Column("region", sa.String(128)))
        batch.add_column(_text("contacts", default="[]"))
        batch.add_column(_text("qualifications", default="[]"))
        batch.add_column(_text("standing", 128, "registered"))
        batch.add_column(sa.Column("decided_at", Moment()))
        batch.add_column(_text("decided_by", 128))
        batch.add_column(_text("decided_why"))
        batch.add_column(sa.Column("pending", sa.Text()))
    op.create_index("ix_entity_credit_code", "entity", ["credit_code"], unique=True)
    with op.batch_alter_table("principal") as batch:
        batch.add_column(sa.Column("minted_by", sa.String(36)))
        batch.add_column(sa.Column("invited_by", sa.String(36)))
    with op.batch_alter_table("one_time") as batch:
        batch.add_column(sa.Column("bound_to", sa.String(128)))
        batch.add_column(sa.Column("minted_by", sa.String(36)))
    op.create_index("ix_one_time_subject", "one_time", ["subject_id"])
    # neither table is made anew: others point to their rows
    op.execute("ALTER TABLE platform RENAME COLUMN approved_at TO documents_at")
    with op.batch_alter_table("platform") as batch:
        batch.add_column(sa.Column("state_since", Moment(), nullable=False, server_default=sa.text("0")))
    with op.batch_alter_table("connector") as batch:
        batch.add_column(sa.Column("admitted_at", Moment()))
        batch.add_column(sa.Column("gate_from", Moment()))


def _tables() -> None:
    op.create_table(
        "onboarding_step",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("from_state", sa.String(128)),
        sa.Column("to_state", sa.String(128), nullable=False),
        sa.Column("act", sa.String(128), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(400), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_onboarding_step_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onboarding_step")),
    )
    op.create_index("ix_onboarding_step_platform", "onboarding_step", ["platform_id", "id"])
    op.create_table(
        "proposal",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("act", sa.String(128), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("proposed_by", sa.String(36), nullable=False),
        sa.Column("proposed_at", Moment(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(400), nullable=False),
        sa.Column("expires_at", Moment()),
        sa.Column("verdict", sa.String(128), nullable=False),
        sa.Column("decided_by", sa.String(36)),
        sa.Column("decided_at", Moment()),
        sa.Column("decided_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    op.create_index("ix_proposal_verdict", "proposal", ["verdict", "id"])
    op.create_index("ix_proposal_subject", "proposal", ["subject"])
    op.create_table(
        "named_connector",
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        sa.Column("region", sa.String(128)),
        sa.Column("named_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_named_connector_platform_id")),
        sa.PrimaryKeyConstraint("platform_id", "name", name=op.f("pk_named_connector")),
    )


def _carry_over(bind: sa.Connection) -> None:
    def run(text: str, **values: object) -> None:
        bind.execute(sa.text(text), values)

    run(
        "UPDATE entity SET standing = 'checked', decided_at = created_at, decided_by = 'hub', decided_why = :why",
        why=_WHY,
    )
    run(
        "UPDATE entity SET kind = 'operator' WHERE id IN (SELECT entity_id FROM principal WHERE role = 'operator') "
        "AND id NOT IN (SELECT entity_id FROM platform)"
    )
    run("UPDATE platform SET state_since = COALESCE(live_at, documents_at, applied_at)")
    run(
        "UPDATE platform SET state = CASE WHEN id IN (SELECT platform_id FROM connector) "
        "THEN 'connected' ELSE 'documents-checked' END WHERE state = 'approved'"
    )
    run(
        "UPDATE connector SET admitted_at = enrolled_at "
        "WHERE platform_id IN (SELECT id FROM platform WHERE state IN ('live', 'suspended'))"
    )
    run(
        "INSERT INTO named_connector (platform_id, name, title, named_at) "
        "SELECT platform_id, name, '', enrolled_at FROM connector"
    )
    run(
        "INSERT INTO named_connector (platform_id, name, title, named_at) "
        "SELECT id, CASE WHEN kind = 'hub' THEN name ELSE SUBSTR(name, 1, 61) || '-1' END, '', applied_at "
        "FROM platform WHERE id NOT IN (SELECT platform_id FROM connector)"
    )
    run(
        "INSERT INTO onboarding_step (platform_id, from_state, to_state, act, actor, at, why, reference) "
        "SELECT id, CASE WHEN state = 'suspended' THEN 'live' END, state, 'carry-over', 'hub', state_since, :why, '' "
        "FROM platform",
        why=_WHY,
    )
