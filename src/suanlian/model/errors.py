"""What can go wrong, in one tree: each error has a stable code, the field at fault and what to do about it.

    SuanlianError
    ├── InvalidError          the caller sent something that cannot be meant      (HTTP 422)
    │   ├── TooLargeError     more bytes or rows than one call may carry          (HTTP 413)
    │   └── BadTaskError      a task of GA4GH TES that cannot be meant, or not run (HTTP 400)
    ├── UnauthenticatedError  who calls is not known                              (HTTP 401)
    ├── ForbiddenError        known, but may not do this                          (HTTP 403)
    ├── NotFoundError         nothing here that this caller may see               (HTTP 404)
    ├── ConflictError         right in itself, but not in the present state       (HTTP 409)
    └── UnavailableError      try again later; `transient` is true                (HTTP 503)

The HTTP status is chosen once, in ``api/errors.py``; the codes are listed in ``CODES`` and documented one by one.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict

CODES: Final[Mapping[str, str]] = {
    "address_unsupported": "The address is of a kind that is not reached from here.",
    "allowance_exceeded": "More was asked for than is left of what is free.",
    "already_done": "The act was done before and cannot be done again.",
    "answer_untrusted": "The answer is not signed by the hub that was named.",
    "audit_broken": "The records of the audit log are not whole.",
    "audit_forked": "The audit log does not continue the one that is known.",
    "audit_truncated": "The audit log has fewer rows than a signed head of it covers.",
    "body_not_json": "The body is not JSON.",
    "body_too_large": "The body is larger than this route takes.",
    "chain_broken": "A delegation or a change of key does not hold, or does not lead to the name.",
    "checksum_mismatch": "The bytes do not have the checksum that was stated.",
    "content_type_unsupported": "The route takes application/json only.",
    "control_character": "A text carries a control character.",
    "copy_unsettled": "A copy of the version is there already, or leaves just now, or is being read anew.",
    "credit_code_invalid": "The unified social credit code is malformed or its check character is wrong.",
    "credit_code_taken": "Another entity has this unified social credit code.",
    "countersignature_forged": "The hub in charge did not sign that it registered this descriptor.",
    "dataset_in_use": "Jobs that have not ended name the version, or somebody reads the copy.",
    "deadline_passed": "The job could not end by its deadline any more.",
    "descriptor_forged": "The descriptor is not signed by the platform's key, or speaks for another.",
    "descriptor_stale": "The descriptor does not follow the last one that was registered, or is too old.",
    "digest_mismatch": "The body does not have the digest that was signed.",
    "duplicate_endpoint": "The address stands under another identifier already.",
    "duplicate_key": "The key is another connector's already.",
    "duplicate_name": "The name is taken.",
    "engine_failed": "The platform's engine refused or failed.",
    "entity_incomplete": "Something is missing without which an entity cannot be checked.",
    "entity_unchecked": "The entity has not been checked, was refused, or a qualification has run out.",
    "environment_reserved": "The environment is for the hub's own probes.",
    "field_invalid": "A field has a value that cannot be meant.",
    "forbidden": "The caller's role may not do this.",
    "hub_key_changed": "The hub has another key now.",
    "gate_closed": "The platform has not passed what must be passed before it goes live.",
    "hub_unavailable": "The hub did not answer in time.",
    "idempotency_conflict": "The idempotency key was used with another body.",
    "identifier_frozen": "The identifier is frozen.",
    "identifier_invalid": "The identifier is malformed or its check character is wrong.",
    "identifier_revoked": "The identifier was revoked or has moved.",
    "identity_taken": "This account of the identity provider belongs to a principal already.",
    "image_unknown": "No platform's software stands for the image.",
    "images_differ": "No software of any platform stands for all the images of the task.",
    "input_host_unknown": "The host of an input's address does not exist.",
    "input_origin_refused": "The input's address is not one that a job may read from.",
    "internal_error": "The hub failed; the request id finds the cause in its log.",
    "invitation_invalid": "The invitation is unknown, used or expired.",
    "image_index_invalid": "The image index cannot be read, or nothing in it runs here.",
    "job_ended": "The job has ended.",
    "job_too_large": "No share of any platform could ever hold the job.",
    "join_token_invalid": "The join token is unknown, used or expired.",
    "key_malformed": "The public key cannot be read.",
    "key_unknown": "No connector has this key id.",
    "last_copy": "It is the last copy that holds, and the version is not deleted.",
    "lending_closed": "The platform may lend nothing now.",
    "limit_exceeded": "More was asked for than one call may ask.",
    "link_closed": "The link is closed at some moment of the time.",
    "link_full": "Not so much of the link is left.",
    "link_invalid": "The one-time link is unknown, used or expired.",
    "manifest_invalid": "The list of files is one that no storage could hold, or does not go on where it stopped.",
    "measurement_absurd": "A measured figure is beyond anything that can be believed.",
    "measurement_inconsistent": "The parts of a measurement contradict each other.",
    "measurement_negative": "A measured figure is not above zero.",
    "measurement_replayed": "The measurement was made at another platform.",
    "measurement_stale": "The measurement is too old, or a newer one is here.",
    "no_checkpoint": "The job declares no checkpoint: moved, it would start from zero.",
    "no_such_chip": "No table of chips and no platform has chips of this family.",
    "no_such_environment": "No platform declares the environment.",
    "no_such_flavor": "No platform publishes the flavor.",
    "no_such_link": "No carrier offers a link of this name.",
    "no_such_output": "The job that is to hand on an output declares no such output, or has no such task.",
    "no_such_owner": "No entity of this name has published a share.",
    "no_such_platform": "No platform has this name or identifier.",
    "no_such_storage": "No platform publishes storage of this name.",
    "no_way": "No way leads from where the data lies to where it is wanted.",
    "nothing_to_verify": "The platform claims nothing that probes can put to the test.",
    "no_such_secret": "The account has no secret of this name.",
    "no_such_site": "No platform publishes this site.",
    "not_lendable": "The job is of a kind that no platform lends.",
    "not_possible_there": "What was asked for cannot be done where the job runs.",
    "not_found": "There is nothing here that the caller may see.",
    "not_over_loopback": "Without TLS the address must be a loopback address.",
    "own_entity": "Nobody decides on the entity that they belong to.",
    "own_platform": "Nobody decides on a platform of the entity that they belong to.",
    "owner_refuses": "The platform's owner does not admit the job.",
    "path_escapes": "A file name leads out of its directory.",
    "parameter_unknown": "The backend parameter is not known here.",
    "paths_collide": "Two paths of the task collide, or one belongs to the system.",
    "policy_twice": "The owner's policy stands in two files.",
    "prefix_conflict": "The prefix is delegated to another hub.",
    "protection_excludes_hub": "The hub, where the job's data would lie, is not protected well enough for it.",
    "protocol_downgrade": "The other side spoke a higher version of the protocol before.",
    "protocol_unsupported": "The protocol version is not spoken here.",
    "qualification_expired": "A qualification has run out.",
    "provider_unavailable": "The identity provider did not answer as OpenID Connect says.",
    "quota_exceeded": "The account's quota is used up.",
    "redirect_refused": "The address to return to is neither loopback nor registered.",
    "referral_refused": "A referral leads astray.",
    "registry_unavailable": "The image registry did not answer as it should.",
    "report_stale": "The report names an attempt, token or version that is no longer current.",
    "residency_excludes_hub": "The hub, where the job's data would lie, is outside of the job's regions.",
    "route_unknown": "The hub has no such route or method.",
    "role_not_of_kind": "Nobody of an entity of this kind may have the role.",
    "same_person": "The second act must be another person's.",
    "scope_missing": "The key has not the scope that this needs.",
    "sealing_key_missing": "The connector has told no key to which secrets could be sealed.",
    "secret_unreadable": "What was sealed does not open with the key that is here.",
    "session_expired": "The session is over and could not be renewed.",
    "sign_in_invalid": "The sign-in is unknown, used, over, or of another browser.",
    "sign_in_not_offered": "This hub knows no identity provider.",
    "sign_in_refused": "The identity provider refused.",
    "sign_up_closed": "Nobody comes in here without an invitation.",
    "signature_expired": "The signature's time is over or lies ahead.",
    "signature_invalid": "The signature does not fit.",
    "signature_missing": "The call must be signed.",
    "signature_replayed": "The signed call was seen before.",
    "state_conflict": "The thing is in a state in which this cannot be done.",
    "storage_full": "The storage has no room for it.",
    "storage_unreachable": "The storage, or its connector, was not reached or broke off.",
    "storage_unfit": "The data may not lie at the storage's site, or nothing is written there.",
    "token_of_another_connector": "The join token is bound to another connector's name.",
    "status_forged": "The status is not signed by the hub in charge.",
    "token_algorithm": "The token is signed by an algorithm that is not taken.",
    "token_audience": "The token is for another application.",
    "token_expired": "The token's time is over.",
    "token_issuer": "The token is of another issuer.",
    "token_key_unknown": "The issuer publishes no key that fits the token.",
    "token_malformed": "The token cannot be read.",
    "token_nonce": "The token is of another sign-in.",
    "token_not_yet": "The token's time lies ahead.",
    "token_replayed": "The token was used before.",
    "token_signature": "The issuer's key did not sign the token.",
    "token_unsigned": "The token is not signed.",
    "trace_invalid": "A recorded demand, or what was asked of its simulation, cannot be meant.",
    "unauthenticated": "The API key is missing, unknown, expired or revoked.",
    "usage_conflict": "A usage segment contradicts one that was recorded before.",
    "variant_contradicts": "A variant's chips, software and instruction set go together nowhere.",
    "verification_limit": "The claim had all its runs for now.",
    "wildcard_misused": "The pattern of an output cannot be meant, or lacks its prefix.",
}
"""Every stable code, with its meaning in a sentence (reference: docs/reference/errors.md)."""


class FieldFault(BaseModel):
    """One fault in one field. ``field`` is a dotted path, such as ``resources.cpu``."""

    model_config = ConfigDict(frozen=True)

    field: str
    wrong: str
    todo: str = ""


class SuanlianError(Exception):
    """The root. ``code`` is one of ``CODES``; ``wrong`` says what, ``todo`` what the caller can do."""

    transient = False

    def __init__(
        self, code: str, wrong: str, *, todo: str = "", field: str | None = None, faults: tuple[FieldFault, ...] = ()
    ) -> None:
        """Raise with a code of ``CODES``; several ``faults`` when more than one field is at fault."""
        super().__init__(f"{wrong} {todo}".strip())
        self.code = code
        self.wrong = wrong
        self.todo = todo
        self.field = field
        self.faults = faults or ((FieldFault(field=field, wrong=wrong, todo=todo),) if field else ())


class InvalidError(SuanlianError):
    """The caller sent something that cannot be meant."""


class TooLargeError(InvalidError):
    """More bytes or rows than one call may carry."""


class BadTaskError(InvalidError):
    """A task of GA4GH TES cannot be meant, or cannot be run here; clients of that standard know status 400."""


class UnauthenticatedError(SuanlianError):
    """It is not known who calls."""


class ForbiddenError(SuanlianError):
    """The caller is known but may not do this."""


class NotFoundError(SuanlianError):
    """There is nothing here that this caller may see; it never tells absent from hidden."""


class ConflictError(SuanlianError):
    """Right in itself, but not in the present state."""


class UnavailableError(SuanlianError):
    """Try again later."""

    transient = True


class Problem(BaseModel):
    """The body of an error answer (RFC 9457, ``application/problem+json``)."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    code: str
    detail: str
    todo: str = ""
    instance: str = ""
    faults: tuple[FieldFault, ...] = ()
