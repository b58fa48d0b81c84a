import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from suanlian.crypto.errors import KeyFileError, KeyTextError
from suanlian.crypto.keys import KeyPair, PublicKey

RFC8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC8037_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC8037_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_text_and_name_are_those_of_rfc_8037_appendix_a() -> None:
    pair = KeyPair.from_seed(RFC8032_SEED)
    assert pair.public_text == f"ed25519:{RFC8037_X}"
    assert pair.key_id == RFC8037_THUMBPRINT


@given(st.binary(min_size=32, max_size=32))
def test_text_reads_back_to_the_same_key(seed: bytes) -> None:
    public = KeyPair.from_seed(seed).public
    assert PublicKey.parse(public.text) == public


@given(st.text(max_size=60))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(KeyTextError) as caught:
        PublicKey.parse(text)
    assert caught.value.code == "key_malformed"


@pytest.mark.parametrize(
    "spelling",
    [
        f"ed25519:{RFC8037_X}=",  # padded
        f"ed25519:{RFC8037_X[:-1]}p",  # the same 32 bytes, stray low bits set
        f"ed25519:{RFC8037_X.replace('_', '/')}",  # the other base64 alphabet
        f"ED25519:{RFC8037_X}",
        f" ed25519:{RFC8037_X}",
        RFC8037_X,
        f"ed25519:{RFC8037_X[:-2]}",
    ],
)
def test_a_key_has_one_spelling(spelling: str) -> None:
    with pytest.raises(KeyTextError):
        PublicKey.parse(spelling)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_raw_keys_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(KeyTextError):
        PublicKey(bytes(size))
    with pytest.raises(KeyTextError):
        KeyPair.from_seed(bytes(size))


def test_the_private_half_does_not_show() -> None:
    assert "private" not in repr(KeyPair.generate())


def test_a_saved_key_loads_again_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    pair, path = KeyPair.generate(), tmp_path / "node.pem"
    pair.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    assert KeyPair.load(path).public == pair.public
    assert [each.name for each in tmp_path.iterdir()] == ["node.pem"]


def test_an_existing_key_is_kept_unless_replacement_is_asked_for(tmp_path: Path) -> None:
    first, second, path = KeyPair.generate(), KeyPair.generate(), tmp_path / "node.pem"
    first.save(path)
    with pytest.raises(KeyFileError) as caught:
        second.save(path)
    assert caught.value.code == "key_file_exists"
    assert KeyPair.load(path).public == first.public
    second.save(path, replace=True)
    assert KeyPair.load(path).public == second.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["node.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666, 0o644])
def test_a_key_that_others_can_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.pem"
    KeyPair.generate().save(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError) as caught:
        KeyPair.load(path)
    assert caught.value.code == "key_file_exposed"
    assert f"chmod 600 {path}" in caught.value.message
    path.chmod(0o600)
    KeyPair.load(path)


def test_a_missing_key_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"node\.pem") as caught:
        KeyPair.load(tmp_path / "node.pem")
    assert caught.value.code == "key_file_missing"


def _pems() -> dict[str, bytes]:
    ours, other = KeyPair.generate().private, X25519PrivateKey.generate()
    pem, pkcs8 = Encoding.PEM, PrivateFormat.PKCS8
    return {
        "empty": b"",
        "noise": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "locked": ours.private_bytes(pem, pkcs8, BestAvailableEncryption(b"x")),
        "other algorithm": other.private_bytes(pem, pkcs8, NoEncryption()),
    }


@pytest.mark.parametrize("case", ["empty", "noise", "locked", "other algorithm"])
def test_a_file_that_is_no_ed25519_key_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "node.pem"
    path.touch(mode=0o600)
    path.write_bytes(_pems()[case])
    with pytest.raises(KeyFileError) as caught:
        KeyPair.load(path)
    assert caught.value.code == "key_file_malformed"
