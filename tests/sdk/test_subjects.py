"""Does each subject of the client ask the right route and understand the answer?"""

import hashlib
from pathlib import Path

import pytest

from suanlian.crypto.documents import sign_document
from suanlian.crypto.keys import KeyPair
from suanlian.model.errors import ConflictError, InvalidError, SuanlianError, TooLargeError
from suanlian.model.ids import Kind
from suanlian.model.job import MAX_BATCH, MAX_INLINE_BYTES, JobSpec, JobState
from suanlian.model.market_policy import MarketPolicy, PolicyChange
from suanlian.model.node import RESOLUTION_TYPE, Resolution
from suanlian.model.offer import NewOffer
from suanlian.model.party import Decision
from suanlian.sdk.answers import JobNotEndedError, TaskOutput
from suanlian.sdk.client import Client
from suanlian.testing.people_hub import Answer, PeopleHub, problem
from suanlian.testing.people_samples import (
    CAPACITY,
    FLAVOR,
    OFFER,
    POLICY,
    RECEIPT,
    REPORT,
    UUID,
    charge,
    explanation,
    job,
    platform,
    public_id,
    published,
    resolution,
    resolved,
    spec,
    task,
)

SPEC = JobSpec.model_validate(spec())
IDENTIFIER = public_id(Kind.PLATFORM)


def log(data: bytes, following: int, *, ended: bool = False, attempt: str = "t1") -> Answer:
    headers = {"Suanlian-Next-Offset": str(following), "Suanlian-Attempt": attempt}
    headers["Suanlian-Ended"] = "true" if ended else "false"
    return Answer(body=data, headers=headers)


def output(data: bytes, path: str = "out.txt") -> TaskOutput:
    return TaskOutput(task_index=0, path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_many_jobs_go_in_batches(hub: PeopleHub, client: Client) -> None:
    refs = [{"id": str(n), "public_id": "", "name": "pi"} for n in range(MAX_BATCH)]
    hub.says("POST /v1/jobs:batch", {"jobs": refs}, {"jobs": refs[:1]})
    assert len(client.jobs.submit_many([SPEC] * (MAX_BATCH + 1))) == MAX_BATCH + 1
    assert len(hub.asked) == 2


def test_a_job_is_waited_for_until_it_ends(hub: PeopleHub, client: Client) -> None:
    waiting = job(state="QUEUED", ended_at=None)
    hub.says(f"GET /v1/jobs/{UUID}", waiting, waiting, job(state="EXECUTOR_ERROR"))
    assert client.jobs.wait(UUID, 10, poll_s=0.01).state is JobState.EXECUTOR_ERROR
    assert len(hub.asked) == 3


def test_waiting_ends_when_the_time_is_over(hub: PeopleHub, client: Client) -> None:
    hub.says(f"GET /v1/jobs/{UUID}", job(state="RUNNING", ended_at=None))
    with pytest.raises(JobNotEndedError) as late:
        client.jobs.wait(UUID, 0.05, poll_s=0.01)
    assert late.value.code == "state_conflict"


def test_a_log_is_read_to_its_present_end(hub: PeopleHub, client: Client) -> None:
    hub.says(f"GET /v1/jobs/{UUID}/log", log(b"ab", 2), log(b"\x1bc", 4), log(b"", 4))
    assert b"".join(client.jobs.log(UUID, index=3, stream="stderr")) == b"ab\x1bc"
    assert [asked.query["offset"] for asked in hub.asked] == ["0", "2", "4"]
    assert hub.asked[0].query == {"index": "3", "stream": "stderr", "offset": "0", "wait_s": "0"}


def test_a_followed_log_goes_on_until_the_task_ends(hub: PeopleHub, client: Client) -> None:
    hub.says(f"GET /v1/jobs/{UUID}/log", log(b"", 0), log(b"x", 1), log(b"y", 2, ended=True), log(b"", 2, ended=True))
    assert list(client.jobs.log(UUID, follow=True)) == [b"x", b"y"]


def test_a_log_of_a_task_that_is_tried_again_goes_on_with_the_new_attempt(hub: PeopleHub, client: Client) -> None:
    again = [log(b"cd", 4, attempt="t2"), log(b"abcd", 4, attempt="t2"), log(b"", 4, ended=True, attempt="t2")]
    hub.says(f"GET /v1/jobs/{UUID}/log", log(b"xy", 2), *again)
    assert list(client.jobs.log(UUID, follow=True)) == [b"xy", b"abcd"]
    assert [asked.query["offset"] for asked in hub.asked] == ["0", "2", "0", "4"]


def test_an_output_arrives_whole_and_checked(hub: PeopleHub, client: Client, tmp_path: Path) -> None:
    hub.says(f"GET /v1/jobs/{UUID}/outputs/0/a b/out.txt", Answer(body=b"right"))
    target = client.jobs.download(UUID, output(b"right", "a b/out.txt"), tmp_path)
    assert target == tmp_path / "a b" / "out.txt"
    assert target.read_bytes() == b"right"
    assert [path.name for path in target.parent.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("came", [b"wrong", b"righ", b"right!"])
def test_an_output_with_other_bytes_leaves_nothing(hub: PeopleHub, client: Client, tmp_path: Path, came: bytes) -> None:
    hub.says(f"GET /v1/jobs/{UUID}/outputs/0/out.txt", Answer(body=came))
    with pytest.raises(SuanlianError) as odd:
        client.jobs.download(UUID, output(b"right"), tmp_path)
    assert odd.value.code == "checksum_mismatch"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_unless_asked(hub: PeopleHub, client: Client, tmp_path: Path) -> None:
    hub.says(f"GET /v1/jobs/{UUID}/outputs/0/out.txt", Answer(body=b"new"))
    (tmp_path / "out.txt").write_bytes(b"mine")
    with pytest.raises(ConflictError):
        client.jobs.download(UUID, output(b"new"), tmp_path)
    assert (tmp_path / "out.txt").read_bytes() == b"mine"
    client.jobs.download(UUID, output(b"new"), tmp_path, overwrite=True)
    assert (tmp_path / "out.txt").read_bytes() == b"new"


def test_a_link_in_the_directory_leads_nothing_out_of_it(client: Client, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "way").symlink_to(outside)
    with pytest.raises(InvalidError) as refused:
        client.jobs.download(UUID, output(b"x", "way/out.txt"), inside)
    assert refused.value.code == "path_escapes"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//x", "a\\x", "x\x1b[2J"])
def test_a_name_that_climbs_is_not_even_understood(hub: PeopleHub, client: Client, path: str) -> None:
    hub.lists(f"/v1/jobs/{UUID}/outputs", {"task_index": 0, "path": path, "size": 1, "sha256": "0" * 64})
    with pytest.raises(SuanlianError):
        list(client.jobs.outputs(UUID))


def test_the_rest_of_a_job(hub: PeopleHub, client: Client) -> None:
    hub.says(f"POST /v1/jobs/{UUID}/cancel", job(canceling=True))
    hub.says(f"GET /v1/jobs/{UUID}/explanation", explanation())
    hub.says("POST /v1/jobs:estimate", explanation())
    hub.lists(f"/v1/jobs/{UUID}/tasks", {**task(), "index": 1, "attempts": []}, task())
    hub.lists(f"/v1/jobs/{UUID}/charges", charge())
    hub.lists(f"/v1/jobs/{UUID}/usage")
    assert client.jobs.cancel(UUID).canceling
    assert client.jobs.why(UUID, 2).winner == 0
    assert hub.asked[-1].query == {"index": "2"}
    assert client.jobs.estimate(SPEC) == client.jobs.why(UUID)
    assert [one.attempts[0].platform for one in client.jobs.tasks(UUID, 0)] == ["wuhu"]
    assert [str(one.cost.amount) for one in client.jobs.charges(UUID)] == ["0.025"]
    assert list(client.jobs.usage(UUID)) == []


def test_an_object_is_named_by_its_digest(hub: PeopleHub, client: Client, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"data").hexdigest()
    hub.says("POST /v1/objects", {"sha256": digest, "size": 4})
    (tmp_path / "f").write_bytes(b"data")
    assert client.objects.upload_file(tmp_path / "f").sha256 == digest
    assert (hub.asked[0].body, hub.asked[0].query) == (b"data", {"sha256": digest})


def test_an_object_beyond_the_limit_is_not_sent(hub: PeopleHub, client: Client) -> None:
    with pytest.raises(TooLargeError):
        client.objects.upload(bytes(MAX_INLINE_BYTES + 1))
    assert hub.asked == []


def test_platforms(hub: PeopleHub, client: Client) -> None:
    token = {"connector": "wuhu-1", "join_token": "jt_1", "expires_at": "2026-03-01T00:00:00Z"}
    hub.says("POST /v1/platforms/wuhu/tokens", {"platform": "wuhu", "platform_id": "w", "tokens": [token]})
    hub.says("POST /v1/platforms/wuhu/suspend", {"platform": platform(state="suspended")})
    hub.says("POST /v1/platforms/wuhu/offers", published(OFFER))
    hub.lists("/v1/platforms/wuhu/attempts", {"attempt_id": "t"})
    assert [one.join_token for one in client.platforms.tokens("wuhu").tokens] == ["jt_1"]
    moved = client.platforms.suspend("wuhu", Decision(why="flood"))
    assert moved.platform is not None
    assert moved.platform.state == "suspended"
    assert hub.asked[-1].document() == {"why": "flood", "reference": ""}
    offer = NewOffer.model_validate(OFFER)
    assert client.platforms.publish_offer("wuhu", offer).body == offer
    assert list(client.platforms.attempts("wuhu")) == [{"attempt_id": "t"}]


def test_catalogue_and_supervision(hub: PeopleHub, client: Client) -> None:
    hub.lists("/v1/flavors", published(FLAVOR))
    hub.lists("/v1/capacity", CAPACITY)
    hub.says("POST /v1/supervision/report/send", {"report": REPORT, "receipts": [RECEIPT]})
    assert [flavor.body.simulated for flavor in client.catalogue.flavors("wuhu")] == [True]
    assert hub.asked[-1].query["platform"] == "wuhu"
    assert [row.used.cpu for row in client.catalogue.capacity()] == [1000]
    assert client.supervision.send().receipts[0].hub == "national"


def test_the_markets_policy(hub: PeopleHub, client: Client) -> None:
    hub.says("GET /v1/market/policy", {"version": 0, "weight_of_tomorrow": 1})
    hub.says("POST /v1/market/policy", POLICY)
    hub.lists("/v1/market/policy/versions", POLICY)
    assert client.supervision.market_policy().policy == MarketPolicy()
    made = client.supervision.set_market_policy(PolicyChange(fair_s=43_200, why="fairer"))
    assert (made.version, made.policy.fair_s) == (1, 43_200)
    assert hub.asked[-1].document() == {"fair_s": 43_200.0, "why": "fairer"}
    assert list(client.supervision.market_policies()) == [made]


def test_a_referral_upwards_is_followed_without_the_key(hub: PeopleHub, client: Client) -> None:
    key = KeyPair.generate()
    with PeopleHub() as above:
        told = {"refer_to": above.url, "refer_key": key.public_text, "refer_prefix": "CN"}
        hub.says(f"GET /v1/identifiers/{IDENTIFIER}", resolution("referral", **told))
        said = Resolution.model_validate(resolution(by="CN"))
        signature = sign_document(said.model_dump(mode="json"), key, typ=RESOLUTION_TYPE)
        above.says(f"GET /v1/identifiers/{IDENTIFIER}", resolution(by="CN", signature=signature))
        found = client.identifiers.resolve(IDENTIFIER.lower())
        assert found.asked == (hub.url, above.url)
        assert found.resolution.name == "wuhu"
        assert "authorization" in hub.asked[0].headers
        assert "authorization" not in above.asked[0].headers


@pytest.mark.parametrize("address", ["http://hub.example", "file:///etc/passwd", "", "gopher://x"])
def test_a_referral_to_where_nobody_may_go_is_refused(hub: PeopleHub, client: Client, address: str) -> None:
    hub.says(f"GET /v1/identifiers/{IDENTIFIER}", resolution("referral", refer_to=address, refer_prefix="CN"))
    with pytest.raises(InvalidError):
        client.identifiers.resolve(IDENTIFIER)


def test_a_hub_that_asks_others_is_asked_once_and_without_a_key_one_asks_oneself(hub: PeopleHub) -> None:
    refused = problem(401, "unauthenticated", "no key")
    hub.says(f"GET /v1/identifiers/{IDENTIFIER}/resolution", resolved(), refused)
    with Client(hub.url, "sl_test") as client:
        assert client.identifiers.ask(IDENTIFIER).resolution.name == "wuhu"
    hub.says(f"GET /v1/identifiers/{IDENTIFIER}", resolution())
    with Client(hub.url) as client:
        assert client.identifiers.ask(IDENTIFIER).asked == (hub.url,)


def test_a_malformed_identifier_is_not_sent(hub: PeopleHub, client: Client) -> None:
    with pytest.raises(InvalidError) as refused:
        client.identifiers.resolve(IDENTIFIER[:-1] + ("A" if IDENTIFIER[-1] != "A" else "B"))
    assert refused.value.code == "identifier_invalid"
    assert hub.asked == []
