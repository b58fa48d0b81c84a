"""What is known of how fast a flavor is: claimed, self-measured, seen in jobs, verified, side by side."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import verify_by_any
from suanlian.crypto.errors import CryptoError
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.measurement import MEASUREMENT_TYPE, UNITS, Capability, Figure, Measurement, MeasurementCall, Metric
from suanlian.model.performance import Grade, Precision
from suanlian.model.place import is_simulated
from suanlian.model.platform import Flavor, Share
from suanlian.model.version import Subject
from suanlian.rules import measurement as rule
from suanlian.rules.supervision import grade_of
from suanlian.store import capabilities, keys, platforms, published, supplies
from suanlian.store.unit import Row, Unit

_SIX: Final = Decimal("0.000001")


def keys_of(unit: Unit, connector: Row) -> list[str]:
    """Every key that may have signed a measurement of this connector's."""
    return keys.every_key(unit, connector)


def check_signature(call: MeasurementCall, connector: Row, known: Sequence[str]) -> None:
    """The measurement is this connector's own and signed by a key of its; nothing is written and no unit is held.

    Raises InvalidError ``measurement_replayed`` where it names another connector or platform, ``signature_invalid``.
    """
    made = call.measurement
    if (made.connector_id, made.platform_id) != (connector["id"], connector["platform_id"]):
        wrong = "The measurement names another connector or platform: it was made elsewhere."
        raise _replayed(wrong)
    try:
        body = made.model_dump(mode="json")
        verify_by_any(body, call.signature, known, typ=MEASUREMENT_TYPE)
    except CryptoError as error:
        wrong, todo = "The measurement is not signed by this connector's key.", "Sign it as it is sent."
        raise InvalidError("signature_invalid", wrong, todo=todo, field="signature") from error


def take(unit: Unit, connector: Row, call: MeasurementCall) -> int:
    """Keep the figures of a measurement whose signature was checked; returns how many, 0 when it was here before.

    Raises NotFoundError ``no_such_flavor``, InvalidError as ``rules.measurement.check`` and ``measurement_replayed``.
    """
    made, evidence = call.measurement, digest(call.measurement.model_dump(mode="json"))
    # the same figures on the same moments are the same measurement, whoever signs them
    known = capabilities.with_digest(unit, content_digest(made))
    if known is not None and known["platform_id"] != connector["platform_id"]:
        raise _replayed("These very figures came from another platform before.")
    if known is not None:
        return 0
    row = _flavor_row(unit, connector, made.flavor)
    flavor = Flavor.model_validate_json(row["body"])
    newest = capabilities.newest(unit, row["id"], Grade.SELF_MEASURED.value)
    before = None if newest is None or newest["connector_id"] != connector["id"] else newest["at"]
    rule.check(made, flavor, unit.now, before)
    rows = [_figure_row(connector, row, call, number) for number in range(len(made.readings))]
    capabilities.add(unit, rows)
    unit.record(EventType.MEASUREMENT_TAKEN, connector["id"], flavor=row["id"], figures=len(rows), digest=evidence)
    return len(rows)


def content_digest(made: Measurement) -> str:
    """What was measured and when, without whose it is said to be."""
    readings = [reading.model_dump(mode="json") for reading in made.readings]
    return digest({"at": made.model_dump(mode="json")["measured_at"], "readings": readings})


def _replayed(wrong: str) -> InvalidError:
    todo = "Measure this platform: suanlian-agent measure."
    return InvalidError("measurement_replayed", wrong, todo=todo, field="measurement")


def _flavor_row(unit: Unit, connector: Row, name: str) -> Row:
    rows = published.current(unit, platform_id=connector["platform_id"], subjects=[Subject.FLAVOR])
    found = next((row for row in rows if row["name"] == name and not row["withdrawn"]), None)
    if found is None:
        wrong = f"{connector['platform']!r} publishes no flavor {name!r}."
        todo = "Publish it first: the agent does when it runs."
        raise NotFoundError("no_such_flavor", wrong, todo=todo, field="measurement.flavor")
    return found


def _figure_row(connector: Row, flavor: Row, call: MeasurementCall, number: int) -> Row:
    made, reading = call.measurement, call.measurement.readings[number]
    body = Flavor.model_validate_json(flavor["body"])
    part = rule.part_of(reading.device, body, made.cores) if reading.precision is not None else Decimal(1)
    evidence = {"measurement": made.model_dump(mode="json"), "signature": call.signature, "reading": number}
    measured = made.cores if reading.device == "cpu" else Decimal(1)
    of = Decimal(body.node.cpu) / 1000 if reading.device == "cpu" else Decimal(body.node.accelerator)
    evidence |= {"measured": f"{measured:f}", "of": f"{of:f}"}
    return {
        "id": new_id(),
        "platform_id": connector["platform_id"],
        "flavor_id": flavor["id"],
        "metric": reading.metric.value,
        "precision": (reading.precision or ""),
        "grade": Grade.SELF_MEASURED.value,
        "value": (reading.value / part).quantize(_SIX),
        "unit": UNITS[reading.metric],
        "held": None,
        "evidence": json.dumps(evidence),
        "source": f"connector {connector['name']}, {made.program}"[:400],
        "at": made.measured_at,
        "connector_id": connector["id"],
        "flavor_version": flavor["version"],
        "claim": claim_of(body, reading.precision),
        "digest": content_digest(made),
    }


def claim_of(flavor: Flavor, precision: Precision | None) -> Decimal | None:
    """What the owner claims of a node at a precision; None where nothing is claimed that could be measured."""
    if precision is None or is_simulated(flavor):
        return None
    claims = [f.tera_per_s for f in flavor.performance if f.precision is precision and f.grade is not Grade.SIMULATED]
    return max(claims, default=None)


def table(unit: Unit, *, platform_id: str | None = None) -> list[Capability]:
    """Every figure that somebody has a word on, of flavors that are published now, in the order of names."""
    names = {row["id"]: row["name"] for row in platforms.list_all(unit)}
    known = capabilities.all_newest(unit, platform_id=platform_id)
    rows = published.current(unit, platform_id=platform_id, subjects=[Subject.FLAVOR], at=unit.now)
    found: list[Capability] = []
    for row in sorted(rows, key=lambda row: (names[row["platform_id"]], row["name"])):
        if not row["withdrawn"]:
            found += _of_flavor(names[row["platform_id"]], row, known)
    return found + _of_shares(unit, names, platform_id)


def _of_shares(unit: Unit, names: Mapping[str, str], platform_id: str | None) -> list[Capability]:
    """The cores of each share: claimed, and the most that was held at once by jobs that were sold and by checks."""
    shown = supplies.shown(unit)
    rows = published.current(unit, platform_id=platform_id, subjects=[Subject.SHARE], at=unit.now)
    found = []
    for row in sorted(rows, key=lambda row: (names[row["platform_id"]], row["name"])):
        share = Share.model_validate_json(row["body"])
        claimed = Figure(grade=Grade.CLAIMED, value=Decimal(share.capacity.cpu) / 1000, at=row["valid_from"])
        words: dict[str, Any] = {
            grade.name.lower(): _seen(shown.get((row["id"], grade.value)), grade)
            for grade in (Grade.SEEN_IN_JOBS, Grade.VERIFIED)
        }
        if not row["withdrawn"]:
            found.append(
                Capability(
                    platform=names[row["platform_id"]],
                    flavor=share.flavor,
                    share=row["name"],
                    metric=Metric.CORES,
                    unit=UNITS[Metric.CORES],
                    claimed=claimed,
                    **words,
                )
            )
    return found


def _seen(row: Row | None, grade: Grade) -> Figure | None:
    if row is None:
        return None
    held = True if grade is Grade.VERIFIED else None
    return Figure(grade=grade, value=Decimal(row["millicores"]) / 1000, at=row["at"], held=held)


def _of_flavor(platform: str, row: Row, known: Mapping[tuple[str, str, str, str], Row]) -> Sequence[Capability]:
    flavor = Flavor.model_validate_json(row["body"])
    claimed = {figure.precision: figure for figure in flavor.performance}
    measured = {(key[1], key[2]) for key in known if key[0] == row["id"]}
    kinds = {(Metric.MATMUL.value, precision.value) for precision in claimed} | measured
    made = []
    for metric, precision in sorted(kinds):
        claim = claimed.get(Precision(precision)) if precision and metric == Metric.MATMUL else None
        words: dict[str, Any] = {
            grade.name.lower(): _figure(known.get((row["id"], metric, precision, grade.value)), claim)
            for grade in (Grade.SELF_MEASURED, Grade.VERIFIED)
        }
        if claim is not None:
            grade = grade_of(claim, flavor, verified=False)
            words["claimed"] = Figure(grade=grade, value=claim.tera_per_s, at=row["valid_from"], source=claim.source)
        made.append(
            Capability(
                platform=platform,
                flavor=row["name"],
                metric=Metric(metric),
                precision=Precision(precision) if precision else None,
                unit=UNITS[Metric(metric)],
                **words,
            )
        )
    return made


def _figure(row: Row | None, claim: Any) -> Figure | None:  # noqa: ANN401 - a Performance or None
    if row is None:
        return None
    evidence = json.loads(row["evidence"])
    stands = row["grade"] != Grade.VERIFIED or (claim is not None and claim.tera_per_s == row["claim"])
    return Figure(
        grade=Grade(row["grade"]),
        value=row["value"],
        at=row["at"],
        held=row["held"] if stands else None,
        outcome=evidence.get("outcome") if stands else "claim_changed",
        measured=evidence.get("measured"),
        of=evidence.get("of"),
        source=row["source"],
        evidence=None if row["digest"] is None else row["digest"].removeprefix("sha-256:"),
    )
