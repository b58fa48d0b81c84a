"""Legal persons: register, look, state anew, and the check by an operator."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from suanlian.cli.arguments import Reference, Why
from suanlian.cli.output import AsJson, listing, record, remark
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command
from suanlian.model.errors import InvalidError
from suanlian.model.party import Decision, Entity, EntityChange, EntityKind, NewEntity, Qualification
from suanlian.model.reading import read

_Name = Annotated[str, typer.Argument(metavar="NAME", help=N_("The entity's name or identifier."))]
_Title = Annotated[str | None, typer.Option("--title", metavar="TEXT", help=N_("Its full name."))]
_TitleZh = Annotated[str | None, typer.Option("--title-zh", metavar="TEXT", help=N_("Its title in Chinese."))]
_Kind = Annotated[
    EntityKind | None,
    typer.Option("--kind", metavar="KIND", help=N_("What it is here for: provider, buyer, both, carrier, person ...")),
]
_Code = Annotated[
    str | None,
    typer.Option("--credit-code", metavar="CODE", help=N_("Its unified social credit code, 18 characters.")),
]
_Region = Annotated[
    str | None, typer.Option("--region", metavar="CODE", help=N_("Where it is registered, GB/T 2260, such as 310000."))
]
_Qualifications = Annotated[
    list[str] | None,
    typer.Option(
        "--qualification",
        metavar="FIELDS",
        help=N_("KIND,field=value,...: number, issuer, valid_until, grade, region; several times."),
    ),
]
_Contacts = Annotated[
    list[str] | None,
    typer.Option("--contact", metavar="FIELDS", help=N_("NAME,field=value,...: role, phone, email; several times.")),
]


def install(entity: typer.Typer) -> None:
    """Put these commands below `suanlian entity`."""
    for name, command, text in (
        ("add", _add, N_("Register a legal person (operator).")),
        ("list", _list, N_("List legal persons (operator).")),
        ("show", _show, N_("Show one: your own, or any (operator).")),
        ("change", _change, N_("State it anew; what was checked stands until an operator has looked.")),
        ("check", _check, N_("Say that it is who it says (operator).")),
        ("refuse", _refuse, N_("Say that it is not (operator).")),
    ):
        entity.command(name, cls=Command, options_metavar=OPTIONS, help=text)(command)


def _add(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("Its name: a-z, 0-9, dot, dash, underscore."))],
    title: _Title = None,
    title_zh: _TitleZh = None,
    kind: _Kind = None,
    credit_code: _Code = None,
    region: _Region = None,
    qualifications: _Qualifications = None,
    contacts: _Contacts = None,
    as_json: AsJson = False,
) -> None:
    said = _said(locals())
    with open_hub() as hub:
        _tell(hub.parties.add_entity(read(NewEntity, {"name": name, **said})), as_json=as_json)


def _change(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    entity: _Name,
    title: _Title = None,
    title_zh: _TitleZh = None,
    kind: _Kind = None,
    credit_code: _Code = None,
    region: _Region = None,
    qualifications: _Qualifications = None,
    contacts: _Contacts = None,
    as_json: AsJson = False,
) -> None:
    said = _said(locals())
    with open_hub() as hub:
        found = hub.parties.change_entity(entity, read(EntityChange, said))
    _tell(found, as_json=as_json)
    if found.pending is not None and not as_json:
        remark(_("It waits for an operator's check; until then what was checked stands."))


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, the lists of fields taken apart."""
    plain = ("title", "title_zh", "kind", "credit_code", "region")
    said = {name: options[name] for name in plain if options[name] is not None}
    for option, first in (("qualifications", "kind"), ("contacts", "name")):
        if options[option] is not None:
            said[option] = [_fields(text, first) for text in options[option]]
    return said


def _fields(text: str, first: str) -> dict[str, str]:
    value, *rest = text.split(",")
    pairs = [part.partition("=") for part in rest]
    if not all(equals for _name, equals, _value in pairs):
        wrong = _("{text!r} does not read as a value with fields.").format(text=text)
        raise InvalidError("field_invalid", wrong, todo=_("Write it as VALUE,field=value,field=value."), field=first)
    return {first: value.strip(), **{name.strip(): given.strip() for name, _equals, given in pairs}}


def _list(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.parties.entities(),
            [
                (_("Name"), lambda entity: entity.name),
                (_("Title"), _title),
                (_("Kind"), lambda entity: entity.kind),
                (_("Entity check"), lambda entity: entity.standing),
                (_("Waits"), lambda entity: _("a change") if entity.pending else ""),
                (_("Credit code"), lambda entity: entity.credit_code),
                (_("Since"), lambda entity: when(entity.created_at)),
                (_("Identifier"), lambda entity: entity.public_id),
            ],
            as_json=as_json,
        )


def _show(entity: _Name, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        _tell(hub.parties.entity(entity), as_json=as_json)


def _check(entity: _Name, why: Why, reference: Reference = "", as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.parties.check_entity(entity, read(Decision, {"why": why, "reference": reference}))
    _tell(found, as_json=as_json)


def _refuse(entity: _Name, why: Why, reference: Reference = "", as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.parties.refuse_entity(entity, read(Decision, {"why": why, "reference": reference}))
    _tell(found, as_json=as_json)


def _tell(entity: Entity, *, as_json: bool) -> None:
    fields = [
        (_("Name"), entity.name),
        (_("Title"), _title(entity)),
        (_("Kind"), entity.kind),
        (_("Entity check"), entity.standing),
        (_("Credit code"), entity.credit_code),
        (_("Region"), entity.region),
        *((_("Qualification"), _qualification(one)) for one in entity.qualifications),
        *((_("Contact"), ", ".join(filter(None, one.model_dump().values()))) for one in entity.contacts),
        (_("Decided"), f"{when(entity.decided_at)} {entity.decided_why}".strip()),
        (_("Waits"), _("a change") if entity.pending else ""),
        (_("Identifier"), entity.public_id),
    ]
    record(entity, fields, as_json=as_json)


def _qualification(one: Qualification) -> str:
    until = _("until {day}").format(day=one.valid_until) if one.valid_until else ""
    grade = _("grade {grade}").format(grade=one.grade) if one.grade else ""
    return ", ".join(filter(None, (one.kind, one.number, one.issuer, grade, one.region, until)))


def _title(entity: Entity) -> str:
    return " / ".join(title for title in (entity.title_zh, entity.title) if title)
