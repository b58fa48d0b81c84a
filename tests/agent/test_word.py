"""Does the owner's word hold: levels with the hub up and down, a policy file that changes under a running agent?"""

from datetime import timedelta
from pathlib import Path

import pytest

from suanlian.agent import owner
from suanlian.agent.main import run as run_command
from suanlian.agent.row import Step
from suanlian.drivers.contract import DriverError, EngineLoad, NativeId
from suanlian.i18n import set_language
from suanlian.model.errors import InvalidError
from suanlian.model.job import JobState
from suanlian.model.owner import JoinLevel
from suanlian.model.performance import Architecture
from suanlian.model.probe import Purpose, Tick
from suanlian.model.quantity import Resources
from suanlian.settings import AgentSettings
from suanlian.testing.fake_driver import Ending, FakeDriver
from tests.agent.bench import Bench, run, spec

LONG = 1000.0


class Probing(FakeDriver):
    """An engine on which the hub's own probes can run."""

    def probe_architecture(self) -> Architecture | None:
        return Architecture.X86_64


def lasting(_work: object, _index: int) -> Ending:
    return Ending(after_s=LONG)


def command(*words: str) -> int:
    try:
        return run_command([*words], AgentSettings(lang="en"))
    finally:
        set_language(None)


def test_going_down_gives_back_what_has_not_started_and_what_runs_goes_on(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        first, second, third, agent = run(), run(), run(), bench.agent()
        bench.hub.wish(first)
        bench.rounds(agent, 3)
        bench.hub.wish(second)
        agent.poll(0)
        agent.tick(lambda _work: False)  # admitted, and no room yet to lay it out
        row = agent.desk.ledger.row(second.attempt_id)
        assert row is not None
        assert row.step is Step.STAGING
        calls = len(bench.hub.calls)
        said = list(owner.choose_level(bench.home, JoinLevel.OBSERVE))
        assert len(bench.hub.calls) == calls
        assert said[-1].startswith("1 attempts that this level admits no more run on")
        bench.hub.wish(third)
        bench.rounds(agent, 3)
        assert bench.hub.last(first.attempt_id).state is JobState.RUNNING
        given_back, refused = bench.hub.last(second.attempt_id), bench.hub.last(third.attempt_id)
        assert (given_back.state, given_back.outcome.reason) == (
            JobState.PREEMPTED,
            "the platform's owner lowered the level before this attempt started",
        )
        assert (refused.state, refused.outcome.reason) == (JobState.PREEMPTED, "owner_refuses: level")
        assert bench.engine.starts == {first.attempt_id: 1}
        assert bench.hub.levels[-1] is JoinLevel.OBSERVE
        again = bench.agent()
        assert again.desk.level is JoinLevel.OBSERVE
        owner_says = list(owner.choose_level(bench.home, JoinLevel.TRADE))
        assert len(owner_says) == 1
        fourth = run()
        bench.hub.wish(fourth)
        bench.rounds(again, 3)
        assert bench.hub.last(fourth.attempt_id).state is JobState.RUNNING


def test_where_nothing_is_said_the_agent_observes(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.home.config.write_text(bench.home.config.read_text().replace('level = "trade"\n', ""))
        said, agent = run(), bench.agent()
        assert agent.publish()
        assert bench.hub.inventories[-1].level is JoinLevel.OBSERVE
        bench.hub.wish(said)
        bench.rounds(agent, 2)
        assert bench.hub.last(said.attempt_id).outcome.reason == "owner_refuses: level"
        assert bench.engine.starts == {}
        assert "Level observe" in "\n".join(owner.status_lines(bench.home))


def test_level_run_takes_the_own_entity_and_partners_without_a_price(tmp_path: Path) -> None:
    policy = 'own_entity = "own"\npartners = ["friend"]'
    with Bench(tmp_path, script=lasting, policy=policy) as bench:
        list(owner.choose_level(bench.home, JoinLevel.RUN))
        agent = bench.agent()
        agent.publish()
        assert bench.hub.inventories[-1].partners == ("friend",)
        mine, friends, strangers = (run(entity=name, rates=()) for name in ("own", "friend", "e1"))
        bench.hub.wish(mine, friends, strangers)
        bench.rounds(agent, 3)
        assert bench.hub.last(mine.attempt_id).state is JobState.RUNNING
        assert bench.hub.last(friends.attempt_id).state is JobState.RUNNING
        assert bench.hub.last(strangers.attempt_id).outcome.reason == "owner_refuses: level"


def test_without_own_entity_and_partners_level_run_says_that_nobody_runs(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        assert any("names no own_entity" in line for line in owner.choose_level(bench.home, JoinLevel.RUN))


def test_the_policy_is_read_again_without_a_restart_and_a_mistake_opens_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        bench.home.config.write_text(bench.home.config.read_text().replace("[policy]\n", ""))
        bench.home.policy.write_text('entities = ["friend"]\n')
        agent = bench.agent()

        def reason(entity: str) -> str:
            said = run(entity=entity)
            bench.hub.wish(said)
            bench.rounds(agent, 3)
            found = bench.hub.last(said.attempt_id)
            return found.outcome.reason or found.state

        assert reason("e1") == "owner_refuses: entity"
        bench.home.policy.write_text('entities = ["e1"]\n')
        agent.look()
        assert reason("friend") == "owner_refuses: entity"
        assert reason("e1") == JobState.RUNNING
        bench.home.policy.write_text("entities = [")
        agent.look()
        assert "policy.toml: is not TOML" in agent.desk.word.fault
        assert reason("friend") == "owner_refuses: entity"
        bench.home.policy.unlink()
        agent.look()
        assert "is gone" in agent.desk.word.fault
        assert reason("friend") == "owner_refuses: entity"
        bench.home.policy.write_text('entities = ["friend"]\n')
        agent.look()
        assert agent.desk.word.fault == ""
        assert reason("e1") == "owner_refuses: entity"


def test_a_policy_that_cannot_be_read_keeps_the_agent_from_starting_and_two_are_refused(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.home.policy.write_text("")
        with pytest.raises(InvalidError) as caught:
            bench.agent()
        assert caught.value.code == "policy_twice"
        bench.home.config.write_text(bench.home.config.read_text().replace("[policy]\n", ""))
        bench.home.policy.write_text('hours = [{ begin = "08:00", until = "20:00" }]')
        with pytest.raises(InvalidError) as caught:
            bench.agent()
        assert [fault.field for fault in caught.value.faults] == ["hours.0.zone"]
        first = next(iter(owner.status_lines(bench.home)))
        assert first.startswith("THE POLICY CANNOT BE READ")
        assert "hours.0.zone" in first
        bench.home.policy.write_text("")
        assert bench.agent().desk.word.fault == ""


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('price_flor = [{ kind = "cpu", per_unit_hour = "1" }]', "price_flor"),
        ('hours = [{ begin = "25:00", until = "06:00", zone = "UTC" }]', "hours.0.begin"),
        ('hours = [{ begin = "20:00", until = "06:00", zone = "Mars/Olympus" }]', "hours.0.zone"),
        ('hours = [{ begin = "20:00", until = "06:00", zone = "../../etc/passwd" }]', "hours.0.zone"),
        ("caps = { attempts = -1 }", "caps.attempts"),
        ("max_data_level = 5", "max_data_level"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_by_its_field(
    tmp_path: Path, text: str, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bench(tmp_path) as bench:
        file = tmp_path / "new.toml"
        file.write_text(text)
        assert command("policy", "check", str(file)) == 1
        assert field in capsys.readouterr().err
        file.write_text('caps = { cpu = "1" }')
        assert command("policy", "check", str(file)) == 0
        assert command("policy", "show", "--home", str(bench.home.root)) == 0
        assert '"max_data_level": 4' in capsys.readouterr().out


def test_the_level_is_shown_and_chosen_by_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Bench(tmp_path) as bench:
        home = ("--home", str(bench.home.root))
        assert command("level", *home) == 0
        assert capsys.readouterr().out.startswith("Level trade")
        assert command("level", "observe", *home) == 0
        assert command("level", *home) == 0
        assert capsys.readouterr().out.count("Level observe") == 2
        assert command("level", "everything", *home) == 2


def test_what_became_wrong_while_the_inputs_were_laid_out_is_not_started(tmp_path: Path) -> None:
    policy = 'hours = [{ begin = "00:00", until = "13:00", zone = "UTC" }]'  # the bench begins at 12:00
    with Bench(tmp_path, policy=policy) as bench:
        said, agent = run(spec(wall_time_s=1800)), bench.agent()
        bench.hub.wish(said)
        agent.poll(0)
        agent.tick(lambda _work: False)
        bench.clock.forward(1801)
        bench.rounds(agent, 2)
        assert bench.hub.last(said.attempt_id).outcome.reason == "owner_refuses: hours"
        assert bench.engine.starts == {}
        assert list(bench.home.staging.iterdir()) == []


def test_outside_the_hours_the_hub_is_told_that_nothing_new_is_taken(tmp_path: Path) -> None:
    policy = 'hours = [{ begin = "00:00", until = "12:01", zone = "UTC" }]'  # the bench begins at 12:00
    with Bench(tmp_path, policy=policy) as bench:
        agent = bench.agent()
        bench.rounds(agent, 1)
        assert bench.hub.accepting[-1] is True
        bench.rounds(agent, 2, seconds=60)
        assert bench.hub.accepting[-1] is False
        assert "It is outside the hours of the policy." in owner.status_lines(bench.home, bench.clock)
        bench.clock.forward(12 * 3600)
        bench.rounds(agent, 1)
        assert bench.hub.accepting[-1] is True


def test_probes_are_counted_over_crashes_and_never_more_than_the_cap(tmp_path: Path) -> None:
    policy = 'probes = { cpu = "1", seconds = 60, per_day = 3 }\nentities = []\nnetwork = "never"'
    with Bench(tmp_path, script=lasting, policy=policy) as bench:
        bench.engine = Probing(tmp_path / "probing", script=lasting, clock=bench.clock)
        agent = bench.agent()
        agent.publish()
        assert bench.hub.inventories[-1].probes.per_day == 3

        def probed(cpu: int = 600) -> str:
            granted = Resources.of({"cpu": cpu, "memory": 64})
            said = run(probe=Purpose.SUPPLY, task=Tick(lines=1), spec=None, rates=(), granted=granted, entity="hub")
            bench.hub.wish(said)
            bench.rounds(agent, 3)
            found = bench.hub.last(said.attempt_id)
            return found.outcome.reason or found.state

        assert probed(1001).startswith("probe_cap: probes would take 1001")
        assert probed() == JobState.RUNNING
        assert probed().startswith("probe_cap: probes would take 1200")  # both at once are more than a core
        assert probed(400) == JobState.RUNNING
        agent = bench.agent()  # the count is in the ledger, not in the process
        for row in agent.desk.ledger.rows():
            bench.engine.lose(NativeId(row.attempt_id))
        bench.rounds(agent, 3)
        assert probed() == JobState.RUNNING
        for row in agent.desk.ledger.rows():
            bench.engine.lose(NativeId(row.attempt_id))
        bench.rounds(agent, 3)
        assert probed().startswith("probe_cap: 3 probes ran")
        bench.clock.forward(86_400)
        assert probed() == JobState.RUNNING
        list(owner.choose_level(bench.home, JoinLevel.OBSERVE))
        assert probed(100) == "owner_refuses: level"


def test_an_offer_below_the_owners_own_floor_is_not_published(tmp_path: Path) -> None:
    with Bench(tmp_path, policy='price_floor = [{ kind = "cpu", per_unit_hour = "0.06" }]') as bench:
        with pytest.raises(InvalidError, match=r"offers.0.rates: offer 'o1' prices cpu below"):
            bench.agent()
        assert bench.hub.inventories == []


def test_one_share_whose_load_cannot_be_told_hides_no_other_and_no_attempt(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        more = '\n[[inventory.shares]]\nname = "{}"\nsite = "s1"\nflavor = "f1"\ncapacity = {{ cpu = "4" }}\n'
        bench.home.config.write_text(
            bench.home.config.read_text().replace("[[offers]]", more.format("h2") + more.format("h3") + "[[offers]]", 1)
        )
        bench.engine.loads["h1"] = EngineLoad(Resources.of({"cpu": 99_000, "memory": 1}), running=3, queued=1)
        bench.engine.loads["h2"] = DriverError("the partition\x1b[2J is gone")
        bench.engine.loads["h3"] = RuntimeError("a fault of the driver")
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 3)
        agent.look()
        bench.rounds(agent, 40)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING
        first, second, third = (bench.hub.loads[name][-1] for name in ("h1", "h2", "h3"))
        assert first.in_use == Resources.of({"cpu": 2000, "memory": 1024})  # no fuller than full, no less than ours
        assert first.ours == said.granted
        assert (first.running, first.queued, first.fault) == (3, 1, "")
        assert (second.in_use, second.fault) == (None, "the engine does not tell it: the partition [2J is gone")
        assert (third.in_use, third.fault) == (None, "the driver failed: RuntimeError")
        assert first.observed_at - bench.hub.loads["h1"][0].observed_at < timedelta(minutes=1)


def test_loads_are_told_once_a_look_and_not_with_every_report(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        agent = bench.agent()
        bench.rounds(agent, 70)  # more than two heartbeats
        assert len(bench.hub.loads["h1"]) == 1
        agent.look()
        bench.rounds(agent, 31)
        assert len(bench.hub.loads["h1"]) == 2
