"""Why did a task go where it went, or why does it wait? An explanation as people read it, in the language in force.

The rules write what was wanted and had as short English texts with units; the words in them are translated here,
numbers and names stay.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

from suanlian.i18n.catalog import gettext as _
from suanlian.i18n.catalog import ngettext
from suanlian.model.money import CHARGE_STEP, SHOWN_STEP, Currency
from suanlian.model.performance import Grade
from suanlian.model.placement import BILLED, Candidate, CostTerm, Explanation, FailedFilter, Filter, Term
from suanlian.model.throughput import Basis, Expected

_COUNTED: Final = re.compile(r"(\d+(?:\.\d+)?) (core|card)(?![\w-])")
_WORD: Final = re.compile(r"(?<![\w.-])[a-z]+(?:-hour)?(?![\w-])")
_STEPS: Final = ((Decimal(1), SHOWN_STEP), (Decimal("0.01"), Decimal("0.0001")))
_MAX_LINE: Final = 2000
_SIMULATED: Final = " (simulated)"
_MANY_SECONDS: Final = 300
_NAMES: Final = frozenset(
    {
        Filter.LEVEL,
        Filter.WANTED_PLATFORM,
        Filter.WANTED_SITE,
        Filter.WANTED_FLAVOR,
        Filter.ARCHITECTURE,
        Filter.CHIP,
        Filter.ENVIRONMENT,
        Filter.STACK,
        Filter.FEATURES,
        Filter.OWNERS,
        Filter.TIER,
    }
)
"""Filters whose texts are names, which are not translated even when they happen to be words."""


class CandidateLine(NamedTuple):
    """One row of the table of `suanlian why`: where, for which instruction set, at what cost, and what came of it.

    ``time`` is what it is expected to take and by what that is known, where places are told apart by speed. ``billed``
    and ``weights`` are the two parts of the cost: what somebody pays, and what only ranks places; ``co2`` is in grams.
    """

    place: str
    architecture: str
    cost: str
    outcome: str
    time: str = ""
    billed: str = ""
    weights: str = ""
    co2: str = ""


def reason_line(explanation: Explanation) -> str:
    """The whole explanation in one line: the winner and why, or what the task waits for and what would make it fit.

    At most 2,000 characters, as `model.base.LongText` takes.
    """
    if explanation.winner is not None:
        return _won_line(explanation, explanation.candidates[explanation.winner])
    if explanation.nearest is None:
        return _("waits: no platform has published a share yet")
    line = _waiting_line(explanation.candidates[explanation.nearest])
    return line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 3]}..."


def filter_text(miss: FailedFilter) -> str:
    """What one failed filter says of a place, such as `wanted aarch64, has x86_64`."""
    return _filled(_MISSES[miss.filter](), miss)


def remedy_text(miss: FailedFilter) -> str:
    """What would have to be so for the place to pass: the end of a sentence that begins `would fit if`."""
    return _filled(_REMEDIES[miss.filter](), miss)


def candidate_lines(explanation: Explanation) -> list[CandidateLine]:
    """Every candidate as a row: winner, runner-up, others that fit by cost, then the misses, the nearest first."""
    order = sorted(range(len(explanation.candidates)), key=lambda n: _position(explanation, n))
    return [_row(explanation, n) for n in order]


def place_text(candidate: Candidate) -> str:
    """The place by name; that it is simulated is always said with it."""
    name = f"{candidate.platform}/{candidate.share}"
    return _("{place} (simulated)").format(place=name) if candidate.simulated else name


def cost_text(candidate: Candidate) -> str:
    """The cost and what it consists of, such as `0.0031 CNY (rent)`; empty where none is known."""
    if candidate.cost is None:
        return ""
    if len(candidate.terms) == 1:
        term = _TERMS[candidate.terms[0].term]()
        return _("{cost} ({term})").format(cost=_money(candidate.cost), term=term)
    terms = ", ".join(f"{_TERMS[term.term]()} {_money(term.amount)}" for term in candidate.terms)
    return _("{cost} ({term})").format(cost=_money(candidate.cost), term=terms)


def billed_text(candidate: Candidate) -> str:
    """What somebody pays, by estimate, in CNY: `28.00`, with data `28.00 + moving its data 13.10`; empty: no price."""
    if candidate.billed is None:
        return ""
    data = [term.amount for term in candidate.terms if term.term is Term.DATA]
    if not data:
        return _number(candidate.billed)
    return f"{_number(candidate.billed - sum(data))} + {_TERMS[Term.DATA]()} {_number(sum(data, start=Decimal(0)))}"


def weights_text(candidate: Candidate) -> str:
    """What only ranks places and nobody is billed, term by term: `latency 0.20 + scarcity 0.80`."""
    weights = (term for term in candidate.terms if term.term not in BILLED and term.amount)
    return " + ".join(f"{_TERMS[term.term]()} {_number(term.amount)}" for term in weights)


def money_text(amount: Decimal) -> str:
    """An estimate with its currency: `12.50 CNY`, `0.0251 CNY`."""
    return _money(amount)


def money_with_sign(amount: Decimal) -> str:
    """A difference of two estimates: `+1.10 CNY`, `-0.50 CNY`."""
    return _money(amount) if amount < 0 else f"+{_money(amount)}"


def _number(amount: Decimal) -> str:
    return _money(amount).removesuffix(f" {Currency.CNY}")


def time_text(candidate: Candidate) -> str:
    """How long a task is expected to take there and what that rests on; empty where nobody asked."""
    expected = candidate.expected
    if expected is None:
        return ""
    return f"{duration(expected.seconds)} ({'; '.join(_grounds(expected))})"


def _grounds(expected: Expected) -> Iterator[str]:
    """What an expected time rests on: runs, a figure with its precision and grade, and how sure it is."""
    if expected.basis is Basis.RUNS:
        seen = _("{n} runs seen here, {m} elsewhere")
        yield seen.format(n=expected.here, m=expected.elsewhere)
    if expected.precision is not None and expected.grade is not None and expected.faster is not None:
        text = _("{times} times the slowest by {precision}, {grade}")
        grade = _GRADES[expected.grade]()
        yield text.format(times=_shown(expected.faster), precision=expected.precision, grade=grade)
    elif expected.faster is not None:
        yield _("{times} times the slowest variant").format(times=_shown(expected.faster))
    elif expected.basis is Basis.ESTIMATE:
        yield _("nothing known of its speed: the job's own estimate")
    elif expected.basis is Basis.WALL_TIME:
        yield _("nothing known of its speed: the whole wall time")
    if expected.factor is not None:
        yield _("within a factor of {factor}").format(factor=_shown(expected.factor))


def duration(seconds: Decimal) -> str:
    """A time as people read it: `0.42 s`, `95 s`, `42 min`, `7.5 h`."""
    if seconds < _MANY_SECONDS:
        return _("{n} s").format(n=_shown(seconds))
    if seconds < _MANY_SECONDS * 60:
        return _("{n} min").format(n=_shown(seconds / 60))
    return _("{n} h").format(n=_shown(seconds / 3600))


def _shown(number: Decimal) -> str:
    """At most two decimals below ten, one below a hundred."""
    decimals = sum(number < limit for limit in (10, 100))
    rounded = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return format(rounded.normalize(), "f") if rounded else "0"


def term_text(term: CostTerm) -> str:
    """One term of the cost and how it came about, such as `rent 0.01 CNY = (0.5 cores x ...) x 1 h, estimate`."""
    return f"{_TERMS[term.term]()} {_money(term.amount)} = {words(term.how)}"


def words(text: str) -> str:
    """The text of a rule in the language in force: counted units and known words; what is not known stays."""
    counted = _COUNTED.sub(_count, text)
    return _WORD.sub(_word, _phrases(counted))


def _won_line(explanation: Explanation, won: Candidate) -> str:
    fit = sum(not candidate.failed for candidate in explanation.candidates)
    full = sum(_is_only_full(candidate) for candidate in explanation.candidates)
    place, cost = place_text(won), cost_text(won)
    if fit == 1 and full:
        parts = [_("{place}: the only one with room now: {cost}").format(place=place, cost=cost)]
    elif fit == 1:
        parts = [_("{place}: the only one that fits: {cost}").format(place=place, cost=cost)]
    elif _is_cheapest(explanation, won):
        parts = [_("{place}: cheapest of {n} that fit: {cost}").format(place=place, n=fit, cost=cost)]
    else:
        text = _("{place}: best of {n} that fit, by all that is weighed: {cost}")
        parts = [text.format(place=place, n=fit, cost=cost)]
    if explanation.runner_up is not None:
        runner_up = explanation.candidates[explanation.runner_up]
        parts.append(_next_text(won, runner_up))
    if full:
        parts.append(ngettext("{n} was full", "{n} were full", full).format(n=full))
    missed = len(explanation.candidates) - fit - full
    if missed:
        parts.append(ngettext("{n} did not fit", "{n} did not fit", missed).format(n=missed))
    return _("; ").join(parts)


def _is_cheapest(explanation: Explanation, won: Candidate) -> bool:
    bills = [c.billed for c in explanation.candidates if not c.failed and c.billed is not None]
    return won.billed is None or won.billed <= min(bills, default=won.billed)


def _is_only_full(candidate: Candidate) -> bool:
    return [miss.filter for miss in candidate.failed] == [Filter.ROOM]


def _next_text(won: Candidate, runner_up: Candidate) -> str:
    if won.cost == runner_up.cost:
        return _("next {place} at the same cost").format(place=place_text(runner_up))
    return _("next {place} {cost}").format(place=place_text(runner_up), cost=_money(runner_up.cost or Decimal(0)))


def _waiting_line(nearest: Candidate) -> str:
    misses = _(", and ").join(filter_text(miss) for miss in nearest.failed)
    remedies = _(" and ").join(remedy_text(miss) for miss in nearest.failed)
    return _("waits: nearest is {place}: {misses}; would fit if {remedies}").format(
        place=place_text(nearest), misses=misses, remedies=remedies
    )


def _position(explanation: Explanation, number: int) -> tuple[int, Decimal, int, str]:
    candidate = explanation.candidates[number]
    first = (explanation.winner, explanation.runner_up, explanation.nearest)
    rank = first.index(number) if number in first else len(first) + bool(candidate.failed)
    cost = Decimal(0) if candidate.cost is None else candidate.cost
    return rank, Decimal(0) if candidate.failed else cost, len(candidate.failed), place_text(candidate)


def _row(explanation: Explanation, number: int) -> CandidateLine:
    candidate = explanation.candidates[number]
    return CandidateLine(
        place=place_text(candidate),
        architecture=candidate.architecture.value,
        cost=cost_text(candidate),
        outcome=_outcome(explanation, number),
        time=time_text(candidate),
        billed=billed_text(candidate),
        weights=weights_text(candidate),
        co2="" if candidate.g_co2 is None else format(candidate.g_co2.quantize(Decimal(1)), "f"),
    )


def _outcome(explanation: Explanation, number: int) -> str:
    candidate = explanation.candidates[number]
    if number == explanation.winner:
        return _("chosen")
    if number == explanation.runner_up:
        won, cost = explanation.won, candidate.cost
        if won is None or won.cost is None or cost is None:
            return _("next best")
        return _("next best, {margin}").format(margin=money_with_sign(cost - won.cost))
    return _("; ").join(filter_text(miss) for miss in candidate.failed) or _("fits")


def _money(amount: Decimal) -> str:
    """Finer than on a bill, so that compared costs differ: `12.50 CNY`, `0.0251 CNY`, else six decimals."""
    step = next((step for least, step in _STEPS if abs(amount) >= least), CHARGE_STEP)
    number = format(amount.quantize(step, ROUND_HALF_EVEN), "f")
    whole, _dot, decimals = number.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')} {Currency.CNY}"


def _filled(template: str, miss: FailedFilter) -> str:
    shown = _name if miss.filter in _NAMES else words
    return template.format(wanted=shown(miss.wanted), had=shown(miss.had))


def _name(text: str) -> str:
    name = text.removesuffix(_SIMULATED)
    if name == "none":
        return _("none")
    return _("{place} (simulated)").format(place=name) if name != text else text


def _word(match: re.Match[str]) -> str:
    translated = _WORDS.get(match[0])
    return translated() if translated else match[0]


def _count(match: re.Match[str]) -> str:
    number, unit = match[1], match[2]
    n = 1 if number == "1" else 2
    text = ngettext("{n} core", "{n} cores", n) if unit == "core" else ngettext("{n} card", "{n} cards", n)
    return text.format(n=number)


def _phrases(text: str) -> str:
    for phrase, translated in _PHRASES.items():
        text = text.replace(phrase, translated())
    return text


# A look-up happens when a text is shown, in the language of that moment: so the tables hold functions.

_TERMS: Final[Mapping[Term, Callable[[], str]]] = {
    Term.RENT: lambda: _("rent"),
    Term.LATENCY: lambda: _("latency"),
    Term.SCARCITY: lambda: _("scarcity"),
    Term.DATA: lambda: _("moving its data"),
    Term.CARBON: lambda: _("carbon"),
    Term.LATENESS: lambda: _("lateness"),
    Term.TIME: lambda: _("time"),
    Term.UNKNOWN: lambda: _("another part that this version does not know"),
}

_GRADES: Final[Mapping[Grade, Callable[[], str]]] = {
    Grade.SIMULATED: lambda: _("simulated"),
    Grade.CLAIMED: lambda: _("claimed"),
    Grade.SELF_MEASURED: lambda: _("self-measured"),
    Grade.SEEN_IN_JOBS: lambda: _("seen in jobs"),
    Grade.VERIFIED: lambda: _("verified"),
}

_PHRASES: Final[Mapping[str, Callable[[], str]]] = {
    "no figure: the job's own estimate": lambda: _("no figure: the job's own estimate"),
    "no figure: whole wall time": lambda: _("no figure: whole wall time"),
    "seen in jobs": lambda: _("seen in jobs"),
    "x slowest by": lambda: _("times the slowest by"),
    "within a factor of": lambda: _("within a factor of"),
    "self-measured": lambda: _("self-measured"),
    "seen-in-jobs": lambda: _("seen in jobs"),
    "times the slowest variant": lambda: _("times the slowest variant"),
    "a weight, not billed": lambda: _("a weight, not billed"),
    "level run, without a price": lambda: _("level run, without a price"),
    "nodes at once": lambda: _("nodes at once"),
    "kept for those before it": lambda: _("kept for those before it"),
    "GiB memory": lambda: _("GiB memory"),
    "GiB disk": lambda: _("GiB disk"),
    "GiB-hour": lambda: _("GiB-hour"),
    "protection grade": lambda: _("protection grade"),
    "at an assumed rate": lambda: _("at an assumed rate"),
    "claimed, not checked": lambda: _("claimed, not checked"),
}

_WORDS: Final[Mapping[str, Callable[[], str]]] = {
    "cpu": lambda: _("CPU"),
    "memory": lambda: _("memory"),
    "disk": lambda: _("disk"),
    "accelerator": lambda: _("accelerator"),
    "simulated": lambda: _("simulated"),
    "claimed": lambda: _("claimed"),
    "verified": lambda: _("verified"),
    "from": lambda: _("from"),
    "about": lambda: _("about"),
    "here": lambda: _("here"),
    "elsewhere": lambda: _("elsewhere"),
    "estimate": lambda: _("estimate"),
    "none": lambda: _("none"),
    "unknown": lambda: _("unknown"),
    "offer": lambda: _("offer"),
    "level": lambda: _("level"),
    "east": lambda: _("the east"),
    "west": lambda: _("the west"),
    "core-hour": lambda: _("core-hour"),
    "card-hour": lambda: _("card-hour"),
}

_MISSES: Final[Mapping[Filter, Callable[[], str]]] = {
    Filter.PLATFORM_LIVE: lambda: _("the platform is not live"),
    Filter.ADMITTED: lambda: _("its connector or its owner's entity is not admitted"),
    Filter.LEVEL: lambda: _("its owner has joined at level {had} only"),
    Filter.ACCEPTING: lambda: _("it takes no new jobs at present"),
    Filter.CLOSING: lambda: _("it is to be empty in {had}, the job may need {wanted}"),
    Filter.NOT_AT_HOME: lambda: _("it lent the job itself"),
    Filter.WANTED_PLATFORM: lambda: _("wanted platform {wanted}, this is {had}"),
    Filter.WANTED_SITE: lambda: _("wanted site {wanted}, this is {had}"),
    Filter.WANTED_FLAVOR: lambda: _("wanted flavor {wanted}, this is {had}"),
    Filter.ARCHITECTURE: lambda: _("wanted {wanted}, has {had}"),
    Filter.CHIP: lambda: _("wanted chip {wanted}, has {had}"),
    Filter.ENVIRONMENT: lambda: _("wanted environment {wanted}, has {had}"),
    Filter.STACK: lambda: _("wanted the software {wanted}, has {had}"),
    Filter.FEATURES: lambda: _("the job needs {wanted}, its engine can do {had}"),
    Filter.NOTICE: lambda: _("its checkpoint takes up to {wanted}, the share may be taken back within {had}"),
    Filter.ISOLATION: lambda: _("jobs are not isolated there and the owner takes its own only"),
    Filter.NODE_SIZE: lambda: _("wanted {wanted}, a node has {had}"),
    Filter.SHARE_SIZE: lambda: _("wanted {wanted}, the share has {had}"),
    Filter.SECRETS: lambda: _("its connector has told no key to which the job's secrets could be sealed"),
    Filter.LATENCY: lambda: _("wanted latency {wanted}, has {had}"),
    Filter.GREEN: lambda: _("wanted green power {wanted}, has {had}"),
    Filter.DATA_LEVEL: lambda: _("wanted {wanted} for its data, has {had}"),
    Filter.PROTECTION: lambda: _("wanted {wanted}, has {had}"),
    Filter.RESIDENCY: lambda: _("wanted to stay within region {wanted}, this is {had}"),
    Filter.DATA: lambda: _("its data {wanted} cannot come there: {had}"),
    Filter.OWNERS: lambda: _("wanted platforms of {wanted}, this is of {had}"),
    Filter.WEST: lambda: _("stays, by its class or its own word, within {wanted}; this is {had}"),
    Filter.TIER: lambda: _("sold as {had}, wanted {wanted}"),
    Filter.PRICED: lambda: _("no price: wanted {wanted}, has {had}"),
    Filter.MAX_COST: lambda: _("wanted cost {wanted}, estimated {had}"),
    Filter.CARBON: lambda: _("wanted carbon {wanted}, estimated {had}"),
    Filter.ELSEWHERE: lambda: _("an earlier attempt failed there"),
    Filter.OWNER_REFUSED: lambda: _("its owner's policy refused this task a short while ago"),
    Filter.ROOM: lambda: _("wanted {wanted}, free at present {had}"),
    Filter.UNKNOWN: lambda: _("wanted {wanted}, has {had}"),
}

_REMEDIES: Final[Mapping[Filter, Callable[[], str]]] = {
    Filter.PLATFORM_LIVE: lambda: _("the platform were live"),
    Filter.ADMITTED: lambda: _("its connector passed conformance and verification, and its owner stood checked"),
    Filter.LEVEL: lambda: _("its owner joined at level {wanted}, or counted you among the partners at level run"),
    Filter.ACCEPTING: lambda: _("it took new jobs again"),
    Filter.CLOSING: lambda: _("the job needed less time, or declared a checkpoint, or the place stayed open"),
    Filter.NOT_AT_HOME: lambda: _("the job had been lent by another platform"),
    Filter.WANTED_PLATFORM: lambda: _("another platform than {wanted} were allowed"),
    Filter.WANTED_SITE: lambda: _("another site than {wanted} were allowed"),
    Filter.WANTED_FLAVOR: lambda: _("another flavor than {wanted} were allowed"),
    Filter.ARCHITECTURE: lambda: _("a platform offered {wanted} or the job had a variant for {had}"),
    Filter.CHIP: lambda: _("a platform offered the chip {wanted} or the job had a variant for another"),
    Filter.ENVIRONMENT: lambda: _("the platform declared the environment {wanted}"),
    Filter.STACK: lambda: _("a platform offered the software {wanted} or the job had a variant for another"),
    Filter.FEATURES: lambda: _("a platform could do {wanted}"),
    Filter.NOTICE: lambda: _("the owner gave notice of at least {wanted}, or the checkpoint took no longer than {had}"),
    Filter.ISOLATION: lambda: _("the owner set allow_unisolated or the platform isolated its jobs"),
    Filter.NODE_SIZE: lambda: _("the job asked for at most {had}"),
    Filter.SHARE_SIZE: lambda: _("the job asked for at most {had} or the share grew"),
    Filter.SECRETS: lambda: _("its connector told a sealing key or the job used no secrets"),
    Filter.LATENCY: lambda: _("the job allowed more latency or the site published a shorter one"),
    Filter.GREEN: lambda: _("the job asked for less green power or the site contracted more"),
    Filter.DATA_LEVEL: lambda: _("an operator checked {wanted} there"),
    Filter.PROTECTION: lambda: _("an operator checked {wanted} there"),
    Filter.RESIDENCY: lambda: _("the job's data might lie there"),
    Filter.DATA: lambda: _("a whole copy of its data could be reached and there were storage for it"),
    Filter.OWNERS: lambda: _("the job allowed its owner {had}"),
    Filter.WEST: lambda: _("the job said west: yes, where the policy for its class allows that"),
    Filter.TIER: lambda: _("the job allowed the tier {had}"),
    Filter.PRICED: lambda: _("the owner published an offer with the price"),
    Filter.MAX_COST: lambda: _("max_cost were at least {had}"),
    Filter.CARBON: lambda: _("max_g_co2 were at least {had}"),
    Filter.ELSEWHERE: lambda: _("no earlier attempt had failed there"),
    Filter.OWNER_REFUSED: lambda: _("its owner's policy admitted it; it is asked again later"),
    Filter.ROOM: lambda: _("running jobs ended and gave back {wanted}"),
    Filter.UNKNOWN: lambda: _("it had {wanted}"),
}
