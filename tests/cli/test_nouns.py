"""Does each other noun ask the hub and tell the answer, as a table and as JSON, in both languages?"""

import json
from pathlib import Path

import pytest

from suanlian.cli.demo import started
from suanlian.model.errors import NotFoundError
from suanlian.model.ids import Kind
from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import (
    CAPACITY,
    CONNECTOR,
    ENTITY,
    EVENT,
    FLAVOR,
    INVITATION,
    KEY,
    ME,
    MINTED,
    NODE,
    OFFER,
    RECEIPT,
    REPORT,
    SHARE,
    SITE,
    STATES,
    platform,
    public_id,
    published,
    resolved,
)

from .conftest import Suanlian

IDENTIFIER = public_id(Kind.PLATFORM)
AT = f"/v1/identifiers/{IDENTIFIER}"
TOKEN = {"connector": "wuhu-1", "join_token": "jt_1", "expires_at": "2026-03-02T00:00:00Z"}
TOKENS = {"platform": "wuhu", "platform_id": "p", "tokens": [TOKEN]}
PROPOSAL = {
    "id": "p1",
    "act": "go-live",
    "subject": "w",
    "name": "wuhu",
    "proposed_by": "op (national)",
    "proposed_at": "2026-03-02T00:00:00Z",
    "why": "all is well",
    "expires_at": "2026-03-09T00:00:00Z",
}
MOVED = {"platform": platform(state="verified"), "proposal": PROPOSAL}
MISSING = {"code": "second-operator", "by": "operator", "command": "suanlian operator invite NAME"}
STEP = {"from_state": None, "to_state": "applied", "act": "apply", "actor": "pat", "at": "2026-03-02T00:00:00Z"}
ONBOARDING = {
    "platform": platform(state="verified"),
    "state": "verified",
    "since": "2026-03-02T00:00:00Z",
    "steps": [STEP],
    "proposals": [PROPOSAL],
    "connectors": [],
    "missing": [MISSING],
}
INVITED = {"name": "li", "link": "ot_1", "expires_at": "2026-03-02T00:00:00Z"}

LISTS = [
    ("platforms", "/v1/platforms", platform(), "芜湖集群 / Wuhu cluster", "State", "状态"),
    ("sites", "/v1/sites", published(SITE), "310000: 4.5 ms (claimed)", "Latency, one way", "单向时延"),
    ("flavors", "/v1/flavors", published(FLAVOR), "0.05 T/s FP64 (self-measured)", "simulated", "模拟"),
    ("shares", "/v1/shares", published(SHARE), "cpu 4 core, memory 2 GiB", "Capacity", "容量"),
    ("offers", "/v1/offers", published(OFFER), "0.05 CNY/core-h cpu", "Price", "单价"),
    ("capacity", "/v1/capacity", CAPACITY, "cpu 3 core, memory 1536 MiB", "Free", "空闲"),
    ("proposals", "/v1/proposals", PROPOSAL, "op (national)", "Proposed by", "提议者"),
    ("events", "/v1/events", EVENT, "job.ended", "Actor", "操作者"),
    ("entity list", "/v1/entities", ENTITY, "Anhui Compute", "Since", "登记于"),
    ("keys", "/v1/keys", KEY, "nightly", "Scopes", "权限范围"),
    ("platform connectors wuhu", "/v1/platforms/wuhu/connectors", CONNECTOR, "first", "Revision", "修订号"),
]
ACTS = [
    ("platform show wuhu", "GET /v1/platforms/wuhu", platform(), "live", "Live since", "上线时间"),
    ("platform apply wuhu --title-zh 芜湖", "POST /v1/platforms", platform(), "wuhu", "Applied", "申请时间"),
    ("platform tokens wuhu", "POST /v1/platforms/wuhu/tokens", TOKENS, "jt_1", "Join token", "接入令牌"),
    ("platform suspend wuhu --why flood", "POST /v1/platforms/wuhu/suspend", MOVED, "wuhu", "State", "状态"),
    ("platform go-live wuhu --why well", "POST /v1/platforms/wuhu/go-live", MOVED, "p1", "Proposal", "提议"),
    ("platform onboarding wuhu", "GET /v1/platforms/wuhu/onboarding", ONBOARDING, "invite", "Waits for", "等待"),
    ("proposal confirm p1 --why well", "POST /v1/proposals/p1/confirm", MOVED, "p1", "Verdict", "结论"),
    ("operator invite li --why four-eyes", "POST /v1/operators/invite", INVITED, "ot_1", "Link", "链接"),
    ("entity check anhui --why seen", "POST /v1/entities/anhui/check", ENTITY, "anhui", "Entity check", "核验状态"),
    ("entity change anhui --title A", "POST /v1/entities/anhui/change", ENTITY, "anhui", "Entity check", "核验状态"),
    ("entity add anhui", "POST /v1/entities", ENTITY, "anhui", "Name", "名称"),
    (
        "principal add li --role buyer --entity anhui",
        "POST /v1/principals",
        MINTED,
        "sl_abc_def",
        "API key",
        "API 密钥",
    ),
    ("whoami", "GET /v1/me", ME, "nightly", "6.5 left of 10: 2.5 used, 1 reserved", "10 中剩余 6.5"),
    ("account invite --role buyer", "POST /v1/invitations", INVITATION, "iv_1", "Invitation", "邀请链接"),
    ("key add --scope jobs --expires 30d", "POST /v1/keys", MINTED, "sl_abc_def", "API key", "API 密钥"),
    ("key revoke abc", "POST /v1/keys/abc/revoke", {}, "abc", "revoked", "吊销"),
    ("node", "GET /v1/node", NODE, "CN.YRD", "Public key", "公钥"),
    (
        f"resolve {IDENTIFIER}",
        f"GET /v1/identifiers/{IDENTIFIER}/resolution",
        resolved(),
        "wuhu",
        "Issued by",
        "签发者",
    ),
    ("report supervision", "GET /v1/supervision/report", REPORT, "10.00%", "Utilisation", "利用率"),
    (
        "report supervision --send",
        "POST /v1/supervision/report/send",
        {"report": REPORT, "receipts": [RECEIPT], "uplinks": 1},
        "national",
        "Received by",
        "已于",
    ),
]


@pytest.mark.parametrize(
    ("command", "path", "item", "told", "english", "chinese"), LISTS, ids=[one[0] for one in LISTS]
)
def test_a_list_is_told(  # noqa: PLR0913 - the columns of the table above
    *,
    suanlian: Suanlian,
    logged_in: PeopleHub,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    path: str,
    item: object,
    told: str,
    english: str,
    chinese: str,
) -> None:
    logged_in.lists(path, item)
    logged_in.says("GET /v1/states", STATES)
    code, out, _err = suanlian(*command.split())
    assert code == 0
    assert told in out
    assert english in out
    monkeypatch.setenv("SUANLIAN_LANG", "zh")
    assert chinese in suanlian(*command.split())[1]
    assert len(json.loads(suanlian(*command.split(), "--json")[1])) == 1


@pytest.mark.parametrize(
    ("command", "call", "answer", "told", "english", "chinese"), ACTS, ids=[one[0] for one in ACTS]
)
def test_an_act_is_told(  # noqa: PLR0913 - the columns of the table above
    *,
    suanlian: Suanlian,
    logged_in: PeopleHub,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    call: str,
    answer: object,
    told: str,
    english: str,
    chinese: str,
) -> None:
    logged_in.says(call, answer)
    if command.startswith("platform show"):
        logged_in.says(f"{call}/drain", {"platform": "wuhu"})
    code, out, _err = suanlian(*command.split())
    assert code == 0
    assert told in out
    assert english in out
    monkeypatch.setenv("SUANLIAN_LANG", "zh")
    assert chinese in suanlian(*command.split())[1]
    assert isinstance(json.loads(suanlian(*command.split(), "--json")[1]), dict)


def test_a_list_is_narrowed_to_a_platform(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.lists("/v1/sites", published(SITE))
    suanlian("sites", "--platform", "wuhu")
    assert logged_in.asked[0].query["platform"] == "wuhu"


def test_an_offer_is_published_from_a_file(suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path) -> None:
    (tmp_path / "offer.yaml").write_text("name: open-cpu\nshare: open\nrates: [{kind: cpu, per_unit_hour: 0.05}]\n")
    logged_in.says("POST /v1/platforms/wuhu/offers", published(OFFER))
    code, out, _err = suanlian("offer", "publish", "wuhu", tmp_path / "offer.yaml")
    assert code == 0
    assert "0.05 CNY/core-h cpu" in out
    document = logged_in.asked[0].document()
    assert isinstance(document, dict)
    assert document["rates"] == [{"kind": "cpu", "per_unit_hour": "0.05"}]


def test_moments_are_shown_in_the_local_zone(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("GET /v1/platforms/wuhu", platform())
    logged_in.says("GET /v1/platforms/wuhu/drain", {"platform": "wuhu"})
    assert "2026-03-01 16:00:00+08:00" in suanlian("platform", "show", "wuhu")[1]


def test_a_window_is_understood_in_the_local_zone(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("GET /v1/supervision/report", REPORT)
    assert suanlian("report", "supervision", "--since", "2026-03-01")[0] == 0
    assert logged_in.asked[0].query["since"] == "2026-03-01T00:00:00+08:00"
    assert suanlian("report", "supervision", "--since", "yesterday")[0] == 2
    assert suanlian("report", "supervision", "--send", "--since", "2026-03-01")[0] == 2


@pytest.mark.parametrize(("uplinks", "told"), [(0, "no hub above"), (2, "2 of 2 receipts")])
def test_a_report_without_receipts_says_why(suanlian: Suanlian, logged_in: PeopleHub, uplinks: int, told: str) -> None:
    answer = {"report": REPORT, "receipts": [], "uplinks": uplinks}
    logged_in.says("POST /v1/supervision/report/send", answer)
    code, _out, err = suanlian("report", "supervision", "--send")
    assert code == 0
    assert told in err


def test_grades_have_a_column_each(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("GET /v1/supervision/report", REPORT)
    out = suanlian("report", "supervision")[1]
    assert "T/s simulated" in out
    assert "T/s self-measured" in out
    assert "T/s verified" not in out


def test_a_name_that_cannot_be_is_refused_here(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    code, _out, err = suanlian("entity", "add", "Not A Name")
    assert code == 1
    assert "name:" in err
    assert logged_in.asked == []


def test_a_demonstration_that_is_not_installed_says_how_to_install_it() -> None:
    with pytest.raises(NotFoundError) as absent:
        started("run", group="suanlian.no-such-group")
    assert "suanlian[demo]" in absent.value.todo


def test_a_key_is_asked_for_as_it_was_said(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("POST /v1/keys", MINTED)
    assert (
        suanlian("key", "add", "--scope", "jobs", "--scope", "read", "--expires", "30d", "--label", "nightly")[0] == 0
    )
    assert logged_in.asked[0].document() == {"label": "nightly", "scopes": ["read", "jobs"], "valid_days": 30}
    code, _out, err = suanlian("key", "add", "--expires", "soon")
    assert code == 1
    assert "90d" in err
    assert len(logged_in.asked) == 1
