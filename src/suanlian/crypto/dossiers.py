"""What does a descriptor's file prove, going by the root's public key alone?  Pure: documents in, verdict out."""

from dataclasses import dataclass

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import sign_document, verify_document
from suanlian.crypto.errors import CryptoCode, CryptoError, SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import CLOCKS_DIFFER, Held, body_of, held_by, provisional_prefix
from suanlian.model.descriptor import (
    COUNTER_TYPE,
    DESCRIPTOR_TYPE,
    STATUS_TYPE,
    CounterSignature,
    Descriptor,
    Dossier,
    SignedStatus,
    Status,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a dossier proves: the keys it was checked with, and the status where it brings one."""

    descriptor: Descriptor
    counter: CounterSignature
    hub_key: PublicKey
    status: Status | None


def sign_descriptor(descriptor: Descriptor, keypair: KeyPair) -> str:
    """Sign a descriptor as the platform that it is of."""
    return sign_document(body_of(descriptor), keypair, typ=DESCRIPTOR_TYPE)


def sign_counter(counter: CounterSignature, keypair: KeyPair) -> str:
    """Sign, as the hub, that a descriptor was registered."""
    return sign_document(body_of(counter), keypair, typ=COUNTER_TYPE)


def sign_status(status: Status, keypair: KeyPair) -> SignedStatus:
    """Sign a status as the hub that issued the identifier."""
    return SignedStatus(status=status, signature=sign_document(body_of(status), keypair, typ=STATUS_TYPE))


def check_dossier(dossier: Dossier, root: PublicKey) -> Checked:
    """What the file proves, going by the root's public key alone.

    Raises SignatureError: ``chain_broken``, ``countersignature_forged``, ``descriptor_forged``, ``status_forged``.
    """
    descriptor, counter = dossier.descriptor, dossier.counter
    held = held_by(dossier.chain, root, counter.issuer)
    hub_key = _counter_key(dossier, held)
    try:
        key = PublicKey.parse(descriptor.key)
        verify_document(body_of(descriptor), dossier.signature, key, typ=DESCRIPTOR_TYPE)
    except CryptoError as error:
        raise SignatureError(CryptoCode.DESCRIPTOR_FORGED, "the platform's key did not sign this descriptor") from error
    return Checked(descriptor, counter, hub_key, _checked_status(dossier, held))


def _counter_key(dossier: Dossier, held: Held) -> PublicKey:
    descriptor, counter = dossier.descriptor, dossier.counter
    said = (counter.identifier, counter.part, counter.version, counter.digest, counter.signature_digest, counter.issuer)
    signed = (descriptor.identifier, descriptor.part, descriptor.version, digest(body_of(descriptor)))
    prefix, _dash, _rest = descriptor.identifier.partition("-")
    own = {counter.issuer, *(provisional_prefix(one.key) for one in held.keys.values())}
    if said != (*signed, digest(dossier.signature), descriptor.issuer) or prefix not in own:
        wrong = "the hub's signature is about another descriptor than the one in the file"
        raise SignatureError(CryptoCode.COUNTERSIGNATURE_FORGED, wrong)
    if held.hub_id and counter.hub_id != held.hub_id:
        raise SignatureError(CryptoCode.COUNTERSIGNATURE_FORGED, "the hub's signature names another hub")
    try:
        if counter.registered_at > counter.signed_at + CLOCKS_DIFFER:
            wrong = "the hub's signature is older than what it speaks of"
            raise SignatureError(CryptoCode.COUNTERSIGNATURE_FORGED, wrong)
        key = held.key(dossier.counter_signature, counter.signed_at, "the hub's signature")
        verify_document(body_of(counter), dossier.counter_signature, key, typ=COUNTER_TYPE)
    except CryptoError as error:
        raise SignatureError(CryptoCode.COUNTERSIGNATURE_FORGED, error.message) from error
    return key


def _checked_status(dossier: Dossier, held: Held) -> Status | None:
    signed = dossier.status
    if signed is None:
        return None
    status = signed.status
    if (status.identifier, status.issuer) != (dossier.descriptor.identifier, dossier.counter.issuer):
        raise SignatureError(CryptoCode.STATUS_FORGED, "the status is of another identifier")
    try:
        key = held.key(signed.signature, status.as_of, "the status")
        verify_document(body_of(status), signed.signature, key, typ=STATUS_TYPE)
    except CryptoError as error:
        raise SignatureError(CryptoCode.STATUS_FORGED, error.message) from error
    return status
