"""Whatever hubs answer, the way from one to the next ends, and nobody without the key that was named is believed."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.crypto.documents import sign_document
from suanlian.crypto.keys import KeyPair
from suanlian.crypto.lineage import sign_change
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.ids import HubId, Kind, public_id
from suanlian.model.lineage import DELEGATION_TYPE, NodeKeys, SignedKeyChange
from suanlian.model.node import RESOLUTION_TYPE, Resolution, Standing
from suanlian.sdk.follow import MAX_HOPS, Askers, Hop, follow
from tests.crypto.chains import MadeHub

UUID = "01990000-0000-7000-8000-000000000001"
IDENTIFIER = public_id("CN.GBA.SZ", Kind.PLATFORM, UUID)
PREFIXES = ("CN", "CN.YRD", "CN.YRD.SH", "CN.GBA", "CN.GBA.SZ", "XABC", "CN.GB", "")
URLS = tuple(f"https://h{n}.example" for n in range(6))


class Hubs:
    """Hubs by address, each with a prefix and a key; what they answer is signed with it."""

    def __init__(self, *prefixes: str) -> None:
        self.hubs = {f"https://h{n}.example": MadeHub(prefix, f"h{n}") for n, prefix in enumerate(prefixes)}
        self.answers: dict[str, Resolution] = {}
        self.changes: dict[str, Sequence[SignedKeyChange]] = {}
        self.asked: list[str] = []

    def says(self, n: int, to: int | None = None, **changes: Any) -> None:  # noqa: ANN401 - of Resolution
        """Let hub n answer, or refer to another."""
        hub = self.hubs[URLS[n]]
        said = Resolution(
            identifier=IDENTIFIER, standing=Standing.FOUND, kind=Kind.PLATFORM, issuer="CN", by=hub.prefix
        )
        if to is not None:
            there = self.hubs[URLS[to]]
            told = {"refer_to": URLS[to], "refer_key": there.keypair.public_text, "refer_prefix": there.prefix}
            said = said.model_copy(update={"standing": Standing.REFERRAL, **told})
            if there.prefix.startswith(hub.prefix + "."):
                hub.delegate(there, 0)
                said = said.model_copy(update={"refer_delegation": there.delegations[-1]})
        said = said.model_copy(update=changes)
        signature = sign_document(said.model_dump(mode="json"), hub.keypair, typ=RESOLUTION_TYPE)
        self.answers[URLS[n]] = said.model_copy(update={"signature": signature})

    def follow(self, first: Hop | None = None) -> tuple[str, ...]:
        return follow(IDENTIFIER, first or Hop(URLS[0]), Askers(self._ask, self._keys)).asked

    def code(self, first: Hop | None = None) -> str:
        with pytest.raises(SuanlianError) as caught:
            self.follow(first)
        return caught.value.code

    def _ask(self, hop: Hop) -> Resolution:
        self.asked.append(hop.url)
        return self.answers[hop.url]

    def _keys(self, hop: Hop) -> NodeKeys:
        hub, changes = self.hubs[hop.url], self.changes.get(hop.url, ())
        key = hub.keypair.public_text
        return NodeKeys(hub_id=HubId(hub.hub_id), prefix=hub.prefix, key=key, serial=0, changes=tuple(changes))


def four() -> Hubs:
    """From a city of one region up to the root and down to a city of another."""
    hubs = Hubs("CN.YRD", "CN", "CN.GBA", "CN.GBA.SZ")
    for n in range(3):
        hubs.says(n, n + 1)
    hubs.says(3)
    return hubs


def test_up_to_the_root_and_down_to_the_hub_in_charge() -> None:
    hubs = four()
    assert hubs.follow() == URLS[:4]
    first = hubs.hubs[URLS[0]].keypair.public_text
    assert hubs.follow(Hop(URLS[0], first, "CN.YRD")) == URLS[:4]


@given(st.data())
def test_the_way_ends_whatever_the_hubs_say(data: st.DataObject) -> None:
    hubs = Hubs(*data.draw(st.lists(st.sampled_from([p for p in PREFIXES if p]), min_size=6, max_size=6)))
    for n in range(6):
        to = data.draw(st.one_of(st.none(), st.integers(0, 5)))
        said = st.sampled_from(PREFIXES)
        changes = data.draw(st.fixed_dictionaries({}, optional={"by": said, "refer_prefix": said}))
        hubs.says(n, to, **changes)
    before = len(hubs.asked)
    try:
        asked: Sequence[str] = hubs.follow()
    except SuanlianError:
        asked = hubs.asked[before:]
    assert len(asked) <= MAX_HOPS + 1
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(
    ("n", "to", "changes"),
    [
        (2, 1, {}),  # up again after a step down
        (1, 0, {}),  # down to where the identifier is not
        (1, 2, {"refer_delegation": None}),
        (0, 1, {"refer_prefix": "CN.YRD"}),  # to a prefix as long as one's own
        (0, 1, {"refer_prefix": "C"}),
        (0, 1, {"refer_to": "https://10.0.0.7"}),
    ],
)
def test_a_referral_that_leads_astray_is_not_followed(n: int, to: int, changes: dict[str, Any]) -> None:
    hubs = four()
    hubs.says(n, to, **changes)
    assert hubs.code() == "referral_refused"


def test_nobody_sends_us_to_this_machine() -> None:
    hubs = four()
    hubs.says(0, 1, refer_to="http://127.0.0.1:1")
    assert hubs.code() == "not_over_loopback"


def test_an_answer_counts_only_if_the_hub_that_was_named_gave_it() -> None:
    hubs = four()
    hubs.hubs[URLS[1]].keypair = KeyPair.generate()
    hubs.says(1, 2)
    assert hubs.code() == "answer_untrusted"
    for changes in ({"identifier": public_id("CN", Kind.PLATFORM, UUID)}, {"by": "CN.YRD"}):
        hubs = four()
        hubs.says(1, 2, **changes)
        assert hubs.code() == "answer_untrusted"
    hubs = four()
    hubs.answers[URLS[3]] = hubs.answers[URLS[3]].model_copy(update={"name": "forged"})
    assert hubs.code() == "answer_untrusted"


def test_a_delegation_by_another_key_leads_nowhere() -> None:
    hubs = four()
    signed = hubs.answers[URLS[1]].refer_delegation
    assert signed is not None
    body = signed.delegation.model_dump(mode="json")
    forged = signed.model_copy(update={"signature": sign_document(body, KeyPair.generate(), typ=DELEGATION_TYPE)})
    hubs.says(1, 2, refer_delegation=forged)
    assert hubs.code() == "referral_refused"


def test_a_hub_whose_key_has_changed_meanwhile_is_believed_by_its_own_documents() -> None:
    hubs = four()
    root = hubs.hubs[URLS[1]]
    root.rotate()
    hubs.says(1, 2)
    assert hubs.code() == "answer_untrusted"
    hubs.changes[URLS[1]] = root.changes
    assert hubs.follow() == URLS[:4]
    thief = KeyPair.generate()
    root.keypair = thief
    hubs.says(1, 2)
    hubs.changes[URLS[1]] = [sign_change(root.change(3, thief, thief), thief, thief)]
    assert hubs.code() == "answer_untrusted"


def test_a_hub_that_is_down_is_no_answer() -> None:
    hubs = four()

    def down(_hop: Hop) -> Resolution:
        raise UnavailableError("hub_unavailable", "down")

    with pytest.raises(UnavailableError):
        follow(IDENTIFIER, Hop(URLS[0]), Askers(down, hubs._keys))  # noqa: SLF001 - the test's own
