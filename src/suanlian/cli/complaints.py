"""How is an error told? What was wrong, where, what to do, and its stable code."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from typer._click.exceptions import BadParameter, MissingParameter, NoArgsIsHelpError, NoSuchOption
from typer.exceptions import TyperException

from suanlian.cli.visible import visible
from suanlian.i18n import _
from suanlian.i18n.catalog import DEFAULT, language
from suanlian.i18n.help import N_
from suanlian.i18n.told import told
from suanlian.model.errors import FieldFault, SuanlianError

_MAX_FAULTS: Final = 20
# Typer says these two in English only; what they name is picked out and said in the language in force
_CHOICES: Final = re.compile(r" is not one of (.+)\.$")
_NO_COMMAND: Final = re.compile(r"^No such command ('.*?')\.?(?: Did you mean (.+)\?)?$")
_MEANT: Final = re.compile(r"^Did you mean (.+)\?$")
_LISTS: Final = re.compile(r"^(suanlian[a-z -]+) lists them\.$")
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`""")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")

MEANINGS: Final[Mapping[str, str]] = {
    "address_unsupported": N_("The address is of a kind that is not reached from here."),
    "allowance_exceeded": N_("More was asked for than is left of what is free."),
    "already_done": N_("The act was done before and cannot be done again."),
    "answer_untrusted": N_("The answer is not signed by the hub that was named."),
    "audit_broken": N_("The records of the audit log are not whole."),
    "audit_forked": N_("The audit log does not continue the one that is known."),
    "audit_truncated": N_("The audit log has fewer rows than a signed head of it covers."),
    "body_not_json": N_("The body is not JSON."),
    "body_too_large": N_("The body is larger than this route takes."),
    "chain_broken": N_("A delegation or a change of key does not hold, or does not lead to the name."),
    "checksum_mismatch": N_("The bytes do not have the checksum that was stated."),
    "content_type_unsupported": N_("The route takes application/json only."),
    "control_character": N_("A text carries a control character."),
    "copy_unsettled": N_("A copy of the version is there already, or leaves just now, or is being read anew."),
    "countersignature_forged": N_("The hub in charge did not sign that it registered this descriptor."),
    "credit_code_invalid": N_("The unified social credit code is malformed or its check character is wrong."),
    "credit_code_taken": N_("Another entity has this unified social credit code."),
    "dataset_in_use": N_("Jobs that have not ended name the version, or somebody reads the copy."),
    "deadline_passed": N_("The job could not end by its deadline any more."),
    "descriptor_forged": N_("The descriptor is not signed by the platform's key, or speaks for another."),
    "descriptor_stale": N_("The descriptor does not follow the last one that was registered, or is too old."),
    "digest_mismatch": N_("The body does not have the digest that was signed."),
    "duplicate_endpoint": N_("The address stands under another identifier already."),
    "duplicate_key": N_("The key is another connector's already."),
    "duplicate_name": N_("The name is taken."),
    "engine_failed": N_("The platform's engine refused or failed."),
    "entity_incomplete": N_("Something is missing without which an entity cannot be checked."),
    "entity_unchecked": N_("The entity has not been checked, was refused, or a qualification has run out."),
    "environment_reserved": N_("The environment is for the hub's own probes."),
    "field_invalid": N_("A field has a value that cannot be meant."),
    "forbidden": N_("The caller's role may not do this."),
    "gate_closed": N_("The platform has not passed what must be passed before it goes live."),
    "hub_key_changed": N_("The hub has another key now."),
    "hub_unavailable": N_("The hub did not answer in time."),
    "idempotency_conflict": N_("The idempotency key was used with another body."),
    "identifier_frozen": N_("The identifier is frozen."),
    "identifier_invalid": N_("The identifier is malformed or its check character is wrong."),
    "identifier_revoked": N_("The identifier was revoked or has moved."),
    "identity_taken": N_("This account of the identity provider belongs to a principal already."),
    "image_index_invalid": N_("The image index cannot be read, or nothing in it runs here."),
    "image_unknown": N_("No platform's software stands for the image."),
    "images_differ": N_("No software of any platform stands for all the images of the task."),
    "input_host_unknown": N_("The host of an input's address does not exist."),
    "input_origin_refused": N_("The input's address is not one that a job may read from."),
    "internal_error": N_("The hub failed; the request id finds the cause in its log."),
    "invitation_invalid": N_("The invitation is unknown, used or expired."),
    "job_ended": N_("The job has ended."),
    "job_too_large": N_("No share of any platform could ever hold the job."),
    "join_token_invalid": N_("The join token is unknown, used or expired."),
    "key_malformed": N_("The public key cannot be read."),
    "key_unknown": N_("No connector has this key id."),
    "last_copy": N_("It is the last copy that holds, and the version is not deleted."),
    "lending_closed": N_("The platform may lend nothing now."),
    "limit_exceeded": N_("More was asked for than one call may ask."),
    "link_closed": N_("The link is closed at some moment of the time."),
    "link_full": N_("Not so much of the link is left."),
    "link_invalid": N_("The one-time link is unknown, used or expired."),
    "manifest_invalid": N_("The list of files is one that no storage could hold, or does not go on where it stopped."),
    "measurement_absurd": N_("A measured figure is beyond anything that can be believed."),
    "measurement_inconsistent": N_("The parts of a measurement contradict each other."),
    "measurement_negative": N_("A measured figure is not above zero."),
    "measurement_replayed": N_("The measurement was made at another platform."),
    "measurement_stale": N_("The measurement is too old, or a newer one is here."),
    "no_checkpoint": N_("The job declares no checkpoint: moved, it would start from zero."),
    "no_such_chip": N_("No table of chips and no platform has chips of this family."),
    "no_such_environment": N_("No platform declares the environment."),
    "no_such_flavor": N_("No platform publishes the flavor."),
    "no_such_link": N_("No carrier offers a link of this name."),
    "no_such_output": N_("The job that is to hand on an output declares no such output, or has no such task."),
    "no_such_owner": N_("No entity of this name has published a share."),
    "no_such_platform": N_("No platform has this name or identifier."),
    "no_such_secret": N_("The account has no secret of this name."),
    "no_such_site": N_("No platform publishes this site."),
    "no_such_storage": N_("No platform publishes storage of this name."),
    "no_way": N_("No way leads from where the data lies to where it is wanted."),
    "not_found": N_("There is nothing here that the caller may see."),
    "not_lendable": N_("The job is of a kind that no platform lends."),
    "not_over_loopback": N_("Without TLS the address must be a loopback address."),
    "not_possible_there": N_("What was asked for cannot be done where the job runs."),
    "nothing_to_verify": N_("The platform claims nothing that probes can put to the test."),
    "own_entity": N_("Nobody decides on the entity that they belong to."),
    "own_platform": N_("Nobody decides on a platform of the entity that they belong to."),
    "owner_refuses": N_("The platform's owner does not admit the job."),
    "parameter_unknown": N_("The backend parameter is not known here."),
    "path_escapes": N_("A file name leads out of its directory."),
    "paths_collide": N_("Two paths of the task collide, or one belongs to the system."),
    "policy_twice": N_("The owner's policy stands in two files."),
    "prefix_conflict": N_("The prefix is delegated to another hub."),
    "protection_excludes_hub": N_("The hub, where the job's data would lie, is not protected well enough for it."),
    "protocol_downgrade": N_("The other side spoke a higher version of the protocol before."),
    "protocol_unsupported": N_("The protocol version is not spoken here."),
    "provider_unavailable": N_("The identity provider did not answer as OpenID Connect says."),
    "qualification_expired": N_("A qualification has run out."),
    "quota_exceeded": N_("The account's quota is used up."),
    "redirect_refused": N_("The address to return to is neither loopback nor registered."),
    "referral_refused": N_("A referral leads astray."),
    "registry_unavailable": N_("The image registry did not answer as it should."),
    "report_stale": N_("The report names an attempt, token or version that is no longer current."),
    "residency_excludes_hub": N_("The hub, where the job's data would lie, is outside of the job's regions."),
    "role_not_of_kind": N_("Nobody of an entity of this kind may have the role."),
    "route_unknown": N_("The hub has no such route or method."),
    "same_person": N_("The second act must be another person's."),
    "scope_missing": N_("The key has not the scope that this needs."),
    "sealing_key_missing": N_("The connector has told no key to which secrets could be sealed."),
    "secret_unreadable": N_("What was sealed does not open with the key that is here."),
    "session_expired": N_("The session is over and could not be renewed."),
    "sign_in_invalid": N_("The sign-in is unknown, used, over, or of another browser."),
    "sign_in_not_offered": N_("This hub knows no identity provider."),
    "sign_in_refused": N_("The identity provider refused."),
    "sign_up_closed": N_("Nobody comes in here without an invitation."),
    "signature_expired": N_("The signature's time is over or lies ahead."),
    "signature_invalid": N_("The signature does not fit."),
    "signature_missing": N_("The call must be signed."),
    "signature_replayed": N_("The signed call was seen before."),
    "state_conflict": N_("The thing is in a state in which this cannot be done."),
    "status_forged": N_("The status is not signed by the hub in charge."),
    "storage_full": N_("The storage has no room for it."),
    "storage_unfit": N_("The data may not lie at the storage's site, or nothing is written there."),
    "storage_unreachable": N_("The storage, or its connector, was not reached or broke off."),
    "token_algorithm": N_("The token is signed by an algorithm that is not taken."),
    "token_audience": N_("The token is for another application."),
    "token_expired": N_("The token's time is over."),
    "token_issuer": N_("The token is of another issuer."),
    "token_key_unknown": N_("The issuer publishes no key that fits the token."),
    "token_malformed": N_("The token cannot be read."),
    "token_nonce": N_("The token is of another sign-in."),
    "token_not_yet": N_("The token's time lies ahead."),
    "token_of_another_connector": N_("The join token is bound to another connector's name."),
    "token_replayed": N_("The token was used before."),
    "token_signature": N_("The issuer's key did not sign the token."),
    "token_unsigned": N_("The token is not signed."),
    "trace_invalid": N_("A recorded demand, or what was asked of its simulation, cannot be meant."),
    "unauthenticated": N_("The API key is missing, unknown, expired or revoked."),
    "usage_conflict": N_("A usage segment contradicts one that was recorded before."),
    "variant_contradicts": N_("A variant's chips, software and instruction set go together nowhere."),
    "verification_limit": N_("The claim had all its runs for now."),
    "wildcard_misused": N_("The pattern of an output cannot be meant, or lacks its prefix."),
}
"""`suanlian.model.errors.CODES`, marked for translation: a hub's own words are English only."""

FAULTS: Final = (
    N_("is no field here"),
    N_("is missing"),
    N_("write a list"),
    N_("write a whole number"),
    N_("write a number"),
    N_("write fields with their values"),
    N_("write a moment with its zone, such as 2026-12-01T18:00:00+08:00"),
    N_("write an image by its digest, such as registry.example.org/python@sha256:..."),
    N_("write 1-63 of a-z, 0-9, dot, dash, underscore, beginning and ending with a letter or digit"),
)
"""The fixed words of `suanlian.model.findings`, marked for translation."""
BOUNDS: Final = (
    N_("write at least {bound} characters"),
    N_("write at most {bound} characters"),
    N_("write at least {bound}"),
    N_("write at most {bound}"),
    N_("write more than {bound}"),
    N_("write less than {bound}"),
    N_("write one of {bound}"),
)
"""Those that carry a bound."""


def problem_text(error: SuanlianError) -> str:
    """A refusal in lines that people read."""
    return visible("\n".join(_lines(error)))


def _lines(error: SuanlianError) -> Iterator[str]:
    meaning = "" if _is_understood(error.wrong) else _(MEANINGS.get(error.code, ""))
    yield _("Refused ({code}): {wrong}").format(code=error.code, wrong=meaning or error.wrong)
    if meaning:
        yield "  " + _("in detail: {wrong}").format(wrong=told(error.wrong))
    for fault in error.faults[:_MAX_FAULTS]:
        if fault.wrong == error.wrong:
            yield "  " + _("where: {field}").format(field=fault.field)
        else:
            yield "  " + _fault_line(fault)
    if error.todo:
        yield "  " + _("what to do: {todo}").format(todo=_advice(error.todo))


def _advice(todo: str) -> str:
    match = _LISTS.match(todo)
    if match:
        return _("{command} lists them.").format(command=match[1])
    return told(todo)


def _is_understood(text: str) -> bool:
    """Whether it is in the language in force; a name that it quotes does not count."""
    return language() == DEFAULT or _CHINESE.search(_QUOTED.sub("", text)) is not None


def _fault_line(fault: FieldFault) -> str:
    wrong = _fault_words(fault.wrong)
    match = _MEANT.match(fault.todo)
    todo = _("Did you mean {names}?").format(names=match[1]) if match else _advice(fault.todo)
    stop = _("; ") if match else " "
    where = f"{fault.field}: " if fault.field else ""
    return f"{where}{wrong}{stop}{todo}" if todo else f"{where}{wrong}"


def _fault_words(wrong: str) -> str:
    if wrong in FAULTS:
        return _(wrong)
    for bound in BOUNDS:
        begin, _field, end = bound.partition("{bound}")
        if wrong.startswith(begin) and wrong.endswith(end):
            return _(bound).format(bound=wrong[len(begin) : len(wrong) - len(end)])
    return told(wrong)


def usage_text(error: TyperException) -> str:
    """What was wrong with the command as it was written."""
    if isinstance(error, NoArgsIsHelpError):
        return error.message
    return visible(
        _("{wrong}\nTo see how it is written, add --help.").format(wrong=_usage_fault(error)),
    )


def _usage_fault(error: TyperException) -> str:
    if isinstance(error, NoSuchOption):
        return _("There is no option {name}.").format(name=error.option_name)
    if isinstance(error, MissingParameter):
        name = error.param.get_error_hint() if error.param else error.param_hint
        return _("{name} is missing.").format(name=name)
    if isinstance(error, BadParameter):
        name = error.param.get_error_hint() if error.param else (error.param_hint or "")
        if not name:  # the words themselves quote what was written
            return _wrong_value(error)
        return _("{name} cannot be that: {wrong}").format(name=name, wrong=_wrong_value(error))
    message = error.format_message()
    match = _NO_COMMAND.match(message)
    if match is None:
        return message
    told = _("There is no command {name}.").format(name=match[1])
    meant = _("Did you mean {names}?").format(names=match[2])
    return f"{told} {meant}" if match[2] else told


def _wrong_value(error: BadParameter) -> str:
    """Typer's own words, but for the commonest: not one of the choices."""
    match = _CHOICES.search(error.message)
    return _("one of {choices}").format(choices=match[1]) if match else error.message
