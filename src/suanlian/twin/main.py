"""What `suanlian simulate` calls, found by its entry point: a request becomes a report, and a page where wanted."""

from functools import partial
from pathlib import Path

from suanlian.model.errors import InvalidError
from suanlian.rules.weights import queue_policy
from suanlian.twin.document import Report
from suanlian.twin.own import own_queue
from suanlian.twin.parquet import write_parquet
from suanlian.twin.report import page
from suanlian.twin.request import Request, Tell
from suanlian.twin.setting import kept
from suanlian.twin.simulate import simulate
from suanlian.twin.study import study
from suanlian.twin.trace import TraceError


def run(request: Request, tell: Tell, html: Path | None = None) -> Report:
    """Simulate. ``html`` is where the page goes. Raises InvalidError ``trace_invalid`` and OSError."""
    try:
        engine = simulate if request.policy is None else partial(simulate, policy=queue_policy(request.policy))
        report = own_queue(request, tell, engine) if request.mine else study(request, tell, engine)
        if request.keep:
            write_parquet(kept(request), request.keep)
    except TraceError as error:
        raise InvalidError("trace_invalid", str(error), todo="") from error
    report = report.model_copy(update={"policy": request.policy})
    if html:
        html.write_text(page(report), "utf-8")
    return report
