"""Whose word is the file of a descriptor? Checked here, without any hub, by the root's public key alone."""

import json

from suanlian.crypto.dossiers import Checked, check_dossier
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.keys import PublicKey
from suanlian.model.descriptor import Dossier
from suanlian.model.errors import InvalidError
from suanlian.model.reading import read


def _root(text: str) -> PublicKey:
    try:
        return PublicKey.parse(text)
    except CryptoError as error:
        todo = "Give the root hub's public key whole: ed25519: and 43 characters."
        raise InvalidError(error.code, f"{error.message}.", todo=todo, field="root") from error


def checked(text: bytes, root: str) -> Checked:
    """What the file proves.

    Raises InvalidError: ``field_invalid`` where it is no such file, ``key_malformed``, ``chain_broken``,
    ``countersignature_forged``, ``descriptor_forged``, ``status_forged``.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        wrong = f"The file is not JSON: {error}."
        raise InvalidError("field_invalid", wrong, todo="Give the file of a descriptor.", field="file") from error
    dossier, key = read(Dossier, document), _root(root)
    try:
        return check_dossier(dossier, key)
    except CryptoError as error:
        todo = "Do not believe it. Fetch it again from the hub in charge, and compare the root's key with its operator."
        raise InvalidError(error.code, f"{error.message}.", todo=todo) from error
