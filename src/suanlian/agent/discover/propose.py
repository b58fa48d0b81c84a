"""Which ``agent.toml`` follows from what was found? Text out; nothing is guessed that only the owner knows. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from suanlian.agent.discover.found import Cards, Engine, Machine, Queue
from suanlian.model.performance import Architecture, ComputeClass

_KEPT_CORES: Final = 1
"""So many cores stay with the machine itself."""
_KEPT_OF_TEN: Final = 1
_MIB: Final = "MiB"
_MAX_TEXT: Final = 200
EXAMPLE_HUB: Final = "https://hub.example.org"
_BY_PATH: Final = frozenset({"local", "slurm", "ray"})
"""Drivers whose environments are directories of the machine; those of the others are images."""
_STRANGE: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Names:
    """What the owner said on the command line; empty where nothing."""

    hub: str = ""
    platform: str = ""
    connector: str = ""
    site: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One flavor with its share. Sizes in MiB; ``nodes`` of them."""

    name: str
    cores: int
    memory_mib: int
    disk_mib: int
    cards: int
    card: Cards | None
    nodes: int


def name_of(text: str) -> str:
    """The text as a name that this project takes."""
    return _STRANGE.sub("-", text.lower()).strip("._-")[:63].strip("._-") or "unnamed"


def proposed(machine: Machine, engine: Engine, names: Names) -> str:
    """The file, with a comment wherever somebody has to decide."""
    platform = names.platform or "my-platform"
    site = names.site or f"{platform[:58]}-site"
    kinds = tuple(kinds_of(machine, engine))
    lines = [
        f"hub = {_text(names.hub or EXAMPLE_HUB)}",
        f"platform = {_text(platform)}",
        f"connector = {_text(names.connector or f'{platform[:61]}-1')}",
        "# observe publishes and takes nothing; run takes your own entity's jobs; trade sells",
        'level = "observe"',
        "",
        "[driver]",
        f"name = {_text(engine.driver)}",
        *_options(engine, kinds),
        "",
        "[[inventory.sites]]",
        f"name = {_text(site)}",
        "# GB/T 2260; 310000 is Shanghai" if not names.region else "",
        f"region = {_text(names.region or '310000')}",
    ]
    for kind in kinds:
        lines += ["", *_flavor(kind, machine, engine), "", *_share(kind, site)]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def kinds_of(machine: Machine, engine: Engine) -> Iterator[Kind]:
    """One kind of node for each queue of the engine; without queues this machine itself."""
    if engine.queues:
        used: set[str] = set()
        for number, queue in enumerate(engine.queues, 1):
            kind = _of_queue(queue, machine)
            # names of partitions may differ by letters that ours do not have
            named = kind if kind.name not in used else replace(kind, name=f"{kind.name[:58]}-q{number}")
            used.add(named.name)
            yield named
        return
    cards = machine.cards[0] if machine.cards else None
    yield Kind(
        name=f"{name_of(cards.model)}-node" if cards else "cpu-node",
        cores=max(1, machine.cores - _KEPT_CORES),
        memory_mib=machine.memory_mib * (10 - _KEPT_OF_TEN) // 10,
        disk_mib=machine.disk_mib // 2,
        cards=cards.count if cards else 0,
        card=cards,
        nodes=1,
    )


def _of_queue(queue: Queue, machine: Machine) -> Kind:
    here = next((cards for cards in machine.cards if queue.card and queue.card in cards.model.lower()), None)
    card = here or (
        Cards(queue.card or "unknown", queue.card or "unknown", queue.cards, "sinfo") if queue.cards else None
    )
    return Kind(
        name=name_of(queue.name),
        cores=queue.cores,
        memory_mib=queue.memory_mib,
        disk_mib=1024,
        cards=queue.cards,
        card=card,
        nodes=queue.nodes,
    )


def missing(engine: Engine, names: Names, machine: Machine) -> tuple[str, ...]:
    """What only the owner can say, by the field of the file; empty where nothing is left."""
    fields = {
        "hub": names.hub,
        "platform": names.platform,
        "inventory.sites.0.region": names.region,
    }
    asked = [name for name, value in fields.items() if not value]
    asked += [f"driver.options.{name}" for name in engine.missing]
    asked += ["inventory.flavors: stacks"] if any(not cards.stack for cards in machine.cards) else []
    return tuple(asked)


def _options(engine: Engine, kinds: Sequence[Kind]) -> Iterator[str]:
    """The driver's options, and by comments those that only the owner can give."""
    if engine.options or engine.missing:
        yield ""
        yield "[driver.options]"
    for name, value in engine.options.items():
        yield f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for name in engine.missing:
        yield f"# {name} = {_EXAMPLES.get((engine.driver, name), '...')}"
    if engine.queues:
        yield ""
        yield "[driver.options.shares]"
        for kind, queue in zip(kinds, engine.queues, strict=True):
            yield f"{_text(kind.name)} = {{ partition = {_text(queue.partition)} }}"
    if engine.driver in _BY_PATH:
        yield ""
        yield "[driver.environments.python]"
        yield 'path = ["/usr/bin"]'


_EXAMPLES: Final[Mapping[tuple[str, str], str]] = {
    ("slurm", "root"): '"/shared/suanlian"  # every node sees it under this path',
    ("slurm", "users"): '{ "an-entity" = "a-unix-user" }  # whose jobs run as whom; others are refused',
    ("ray", "root"): '"/shared/suanlian"  # every node sees it under this path',
    ("ray", "token_file"): '"/etc/suanlian/ray.token"  # without one anybody who reaches the dashboard runs anything',
    ("kubernetes", "staging"): '{ root = "/shared/suanlian", host_path = "/shared/suanlian" }',
}


def _flavor(kind: Kind, machine: Machine, engine: Engine) -> Iterator[str]:
    architecture = machine.architecture or Architecture.X86_64
    compute = ComputeClass.INTELLIGENT if kind.cards else ComputeClass.GENERAL
    yield "[[inventory.flavors]]"
    yield f"name = {_text(kind.name)}"
    yield f"compute_class = {_text(compute.value)}"
    yield f"architecture = {_text(architecture.value)}"
    if machine.architecture is None or engine.queues:
        yield "# the architecture of this machine: are the nodes the same?"
    yield f"node = {_resources(kind, 1)}"
    if engine.driver in _BY_PATH:
        yield f'environments = [{{ name = "python", architecture = {_text(architecture.value)} }}]'
    if kind.card is not None:
        family, model = _text(name_of(kind.card.family)), _text(kind.card.model[:_MAX_TEXT])
        yield f'chip = {{ family = {family}, model = {model}, grade = "claimed" }}'
        yield from _stacks(kind.card)


def _stacks(card: Cards) -> Iterator[str]:
    name, _, version = card.stack.partition(" ")
    if name in {"cuda", "cann", "dtk", "musa", "maca", "rocm"} and version:
        yield f"stacks = [{{ name = {_text(name)}, version = {_text(version)} }}]"
    else:
        yield '# which software do the cards have? stacks = [{ name = "cann", version = "8.0" }]'


def _share(kind: Kind, site: str) -> Iterator[str]:
    yield "[[inventory.shares]]"
    yield f"name = {_text(kind.name)}"
    yield f"site = {_text(site)}"
    yield f"flavor = {_text(kind.name)}"
    yield f"# all {kind.nodes} node(s) of this kind; lower it to what you want to give"
    yield f"capacity = {_resources(kind, kind.nodes)}"


def _resources(kind: Kind, nodes: int) -> str:
    parts = {
        "cpu": str(kind.cores * nodes),
        "memory": f"{kind.memory_mib * nodes}{_MIB}",
        "disk": f"{kind.disk_mib * nodes}{_MIB}",
    }
    if kind.cards:
        parts["accelerator"] = str(kind.cards * nodes)
    return "{ " + ", ".join(f"{name} = {_text(value)}" for name, value in parts.items()) + " }"


def _text(value: str) -> str:
    """A basic string of TOML: JSON's form is one, as long as no control character is in it."""
    return json.dumps("".join(char for char in value if char.isprintable()), ensure_ascii=False)
