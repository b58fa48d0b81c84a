"""How did each platform come in? Its steps, what conformance found, and every word on what it can do."""

from collections.abc import Iterable
from decimal import Decimal

from suanlian.demo.record import CheckRecord, JoinRecord, StepRecord
from suanlian.model.conformance import Result
from suanlian.model.onboarding import Step
from suanlian.model.platform import Platform
from suanlian.sdk.client import Client


def joined(operator: Client, platform: Platform) -> JoinRecord:
    """All that the hub kept of it."""
    onboarding = operator.platforms.onboarding(platform.name)
    runs = [run for run in operator.platforms.conformance(platform.name) if run.report is not None]
    findings = [finding for run in runs[:1] if run.report is not None for finding in run.report.findings]
    return JoinRecord(
        steps=tuple(_steps(onboarding.steps)),
        checks=tuple(CheckRecord(check=one.check, passed=one.result is Result.PASSED) for one in findings),
        capabilities=tuple(operator.catalogue.capabilities(platform.name)),
    )


def _steps(steps: Iterable[Step]) -> Iterable[StepRecord]:
    began = None
    for step in steps:
        began = began or step.at
        after_s = Decimal(str((step.at - began).total_seconds())).quantize(Decimal("0.1"))
        yield StepRecord(act=step.act, state=step.to_state, after_s=after_s, by_hub=step.actor == "hub")
