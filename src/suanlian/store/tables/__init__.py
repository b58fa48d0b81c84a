"""The tables, one file a subject. Rows only: what they mean stands in ``model``, what may happen to them in ``rules``.

Owned rows carry account and project. Published things are append-only versions. The capacity book keeps history.
"""

from suanlian.store.tables.allowance import free_job
from suanlian.store.tables.audit import audit_head, audit_leaf, audit_receipt, audit_witness
from suanlian.store.tables.base import metadata
from suanlian.store.tables.datasets import (
    copy_rule,
    data_transfer,
    dataset,
    dataset_file,
    dataset_version,
    grant_page,
    job_data,
    replica,
    replica_use,
    storage_task,
    transfer_want,
)
from suanlian.store.tables.erasing import erasure
from suanlian.store.tables.files import checkpoint, checkpoint_piece, log_chunk, object_, output
from suanlian.store.tables.identifiers import (
    descriptor,
    identifier_act,
    identifier_mark,
    registration,
    resolution,
    transfer,
)
from suanlian.store.tables.journal import event, idempotency, report_received, report_sent
from suanlian.store.tables.keys import connector_key, delegation_issued, hub_key
from suanlian.store.tables.lending import lent_job
from suanlian.store.tables.levels import site_check
from suanlian.store.tables.links import link, link_reservation, link_sample
from suanlian.store.tables.market import market_policy, market_tick
from suanlian.store.tables.node import delegation, hearing, lease, node, own_prefix, uplink
from suanlian.store.tables.onboarding import (
    capability,
    conformance_run,
    named_connector,
    onboarding_step,
    proposal,
    staged_answer,
    verification,
)
from suanlian.store.tables.parties import account, api_key, entity, one_time, principal, project
from suanlian.store.tables.platforms import connector, nonce, platform, published
from suanlian.store.tables.secrets import secret
from suanlian.store.tables.sign_in import identity, invitation, sign_in
from suanlian.store.tables.states import share_state
from suanlian.store.tables.supply import share_shown, supply_check, supply_period
from suanlian.store.tables.tes import tes_tag, tes_task
from suanlian.store.tables.throughput import seen_runs, seen_until
from suanlian.store.tables.usage import charge, usage_batch, usage_correction, usage_segment
from suanlian.store.tables.work import assignment, attempt, capacity, consequence, edge, job, task

__all__ = [
    "account",
    "api_key",
    "assignment",
    "attempt",
    "audit_head",
    "audit_leaf",
    "audit_receipt",
    "audit_witness",
    "capability",
    "capacity",
    "charge",
    "checkpoint",
    "checkpoint_piece",
    "conformance_run",
    "connector",
    "connector_key",
    "consequence",
    "copy_rule",
    "data_transfer",
    "dataset",
    "dataset_file",
    "dataset_version",
    "delegation",
    "delegation_issued",
    "descriptor",
    "edge",
    "entity",
    "erasure",
    "event",
    "free_job",
    "grant_page",
    "hearing",
    "hub_key",
    "idempotency",
    "identifier_act",
    "identifier_mark",
    "identity",
    "invitation",
    "job",
    "job_data",
    "lease",
    "lent_job",
    "link",
    "link_reservation",
    "link_sample",
    "log_chunk",
    "market_policy",
    "market_tick",
    "metadata",
    "named_connector",
    "node",
    "nonce",
    "object_",
    "onboarding_step",
    "one_time",
    "output",
    "own_prefix",
    "platform",
    "principal",
    "project",
    "proposal",
    "published",
    "registration",
    "replica",
    "replica_use",
    "report_received",
    "report_sent",
    "resolution",
    "secret",
    "seen_runs",
    "seen_until",
    "share_shown",
    "share_state",
    "sign_in",
    "site_check",
    "staged_answer",
    "storage_task",
    "supply_check",
    "supply_period",
    "task",
    "tes_tag",
    "tes_task",
    "transfer",
    "transfer_want",
    "uplink",
    "usage_batch",
    "usage_correction",
    "usage_segment",
    "verification",
]
