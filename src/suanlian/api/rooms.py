"""All routes of a hub, a router a subject, in the order in which they are asked."""

from typing import Final

from fastapi import APIRouter

from suanlian.api import (
    audit,
    capabilities,
    catalogue,
    conformance,
    connector,
    entities,
    files,
    identifiers,
    identity,
    jobs,
    lending,
    links,
    market_policy,
    moving,
    node,
    onboarding,
    parties,
    platforms,
    resolving,
    secrets,
    sign_in,
    sites,
    supervision,
    supply,
    tes,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    # what is called most comes first: each one before costs a comparison
    jobs.router,
    connector.router,
    node.router,
    identifiers.router,
    resolving.router,
    parties.router,
    entities.router,
    sign_in.router,
    platforms.router,
    conformance.router,
    onboarding.router,
    sites.router,
    catalogue.router,
    capabilities.router,
    secrets.router,
    supply.router,
    links.router,
    files.router,
    moving.router,
    tes.router,
    supervision.router,
    market_policy.router,
    audit.router,
    lending.router,
    identity.router,
)
