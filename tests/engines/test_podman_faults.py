"""What the container driver makes of an engine that fails, answers late, forgets, or is behind a wrong certificate.

The engine is a real podman; a relay before it fails as the test says.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suanlian.drivers.contract import DriverError, Fault, NativeId
from suanlian.model.demand import Mount
from suanlian.model.job import JobState
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources
from suanlian.testing.drivers import DriverBench, ended_well, running
from suanlian.testing.podman import Podman, busybox_layer, missing
from suanlian.testing.processes import until
from tests.engines.containers import container_bench, driver_of, engine, said
from tests.engines.flaky import FlakyEngine, flaky
from tests.engines.registry import registry

pytestmark = [
    pytest.mark.engine("podman"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "is there"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with engine() as started:
        yield started


@pytest.fixture
def relay(podman: Podman) -> Iterator[FlakyEngine]:
    with flaky(podman.socket) as server:
        yield server


@pytest.fixture
def bench(podman: Podman, relay: FlakyEngine, tmp_path: Path) -> DriverBench:
    return container_bench(podman, tmp_path, url=relay.url, insecure=True, timeout_s=60.0)


@pytest.mark.parametrize(("way", "words"), [("500", "a bad day"), ("rubbish", "no JSON"), ("slow", "in time")])
def test_an_engine_in_trouble_is_waited_for(
    podman: Podman, bench: DriverBench, relay: FlakyEngine, way: str, words: str
) -> None:
    native_id = bench.start(("sh", "-c", "sleep 1; echo done"))
    hasty = container_bench(podman, bench.staging.parents[1], url=relay.url, insecure=True, timeout_s=1.0)
    relay.fail(way)
    for call in (
        lambda: hasty.driver.observe([native_id]),
        lambda: hasty.driver.cancel(NativeId(native_id)),
        lambda: hasty.driver.forget(native_id),
        lambda: hasty.start(("true",)),
    ):
        with pytest.raises(DriverError, match=words) as told:
            call()
        assert told.value.transient
    status = hasty.driver.probe()
    assert not status.ready
    assert words in status.detail
    relay.fail("well")
    assert bench.driver.probe().ready
    assert bench.wait(native_id).state is JobState.COMPLETE
    assert said(bench, native_id) == b"done\n"


def test_a_process_that_leaves_while_it_is_looked_at_is_looked_at_again(
    podman: Podman, bench: DriverBench, relay: FlakyEngine
) -> None:
    driver, native_id = driver_of(bench), bench.start(bench.commands["long"])
    bench.wait(native_id, running)
    share = Share(name="s", site="main", flavor="f", capacity=Resources.of({"cpu": 1000, "memory": 1000}))
    calls: dict[str, Callable[[], object]] = {
        "GET /v1.40/containers/suanlian": lambda: driver.observe([native_id])[native_id].state is JobState.RUNNING,
        "GET /v1.40/containers/json": lambda: driver.load(share),
        "/pause": lambda: driver.suspend(native_id),
        "/unpause": lambda: driver.resume(native_id),
        "/exec": lambda: driver.cancel(native_id),
        "GET /v1.40/containers": lambda: bench.wait(native_id).state is JobState.CANCELED,
        "DELETE ": lambda: driver.forget(native_id),
    }
    for only, call in calls.items():
        relay.fail("vanished", only, times=1)
        assert call() is not False
        assert len(relay.failed) == 1, only
    assert native_id not in podman.run("ps", "--all", "--format", "{{.Names}}")


def test_a_process_that_goes_on_vanishing_is_the_engines_trouble(bench: DriverBench, relay: FlakyEngine) -> None:
    native_id = bench.start(bench.commands["long"])
    bench.wait(native_id, running)
    relay.fail("vanished")
    with pytest.raises(DriverError, match="no such process") as told:
        bench.driver.observe([native_id])
    assert told.value.transient
    assert 1 < len(relay.failed) < 10
    # what is not the same twice is asked for once
    relay.fail("vanished", "POST ")
    with pytest.raises(DriverError, match="no such process"):
        bench.start(("true",))
    assert len(relay.failed) == 1
    relay.fail("well")
    bench.driver.cancel(native_id)
    bench.wait(native_id)


def test_what_ran_when_its_machine_went_off_is_lost(bench: DriverBench, relay: FlakyEngine) -> None:
    native_id = bench.start(bench.commands["long"])
    bench.wait(native_id, running)
    relay.fail("booted", "/json")
    seen = bench.driver.observe([native_id])[native_id]
    assert seen.lost
    assert seen.started_at is not None
    assert "restarted" in seen.reason
    relay.fail("well")
    bench.driver.cancel(native_id)
    bench.wait(native_id)
    bench.driver.forget(native_id)


def test_an_engine_that_is_down_is_waited_for(podman: Podman, bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "sleep 2; echo done"))
    podman.stop()
    try:
        with pytest.raises(DriverError, match="cannot be reached") as told:
            bench.driver.observe([native_id])
        assert told.value.transient
        assert not bench.make().probe().ready
    finally:
        podman.start()
    until("the engine answers again", lambda: bench.driver.probe().ready)
    assert bench.wait(native_id).state is JobState.COMPLETE
    assert said(bench, native_id) == b"done\n"


@pytest.mark.parametrize("lost", ["POST /v1.40/containers/create", "/start"])
def test_an_answer_that_is_lost_starts_nothing_twice(bench: DriverBench, relay: FlakyEngine, lost: str) -> None:
    key, staged = bench.stage({"ran": b""})
    work = bench.work(("sh", "-c", "echo x >> ran; sleep 0.3"), {key: staged})
    relay.fail("mute", lost)
    with pytest.raises(DriverError) as told:
        bench.driver.submit(work, keys={0: key})
    assert told.value.transient
    relay.fail("well")
    again = bench.make()
    for _time in range(2):
        assert again.submit(work, keys={0: key}) == {0: NativeId(key)}
    assert bench.wait(NativeId(key)).state is JobState.COMPLETE
    assert again.submit(work, keys={0: key}) == {0: NativeId(key)}
    assert (driver_of(bench).working_directory(NativeId(key)) / "ran").read_text() == "x\n"


def test_what_the_engine_forgot_is_lost_and_not_run_again(podman: Podman, bench: DriverBench) -> None:
    key, staged = bench.stage({"ran": b""})
    work = bench.work(("sh", "-c", "echo x >> ran; sleep 60"), {key: staged})
    (native_id,) = bench.driver.submit(work, keys={0: key}).values()
    ran = driver_of(bench).working_directory(native_id) / "ran"
    bench.wait(native_id, lambda _: ran.read_text() == "x\n")
    podman.run("rm", "--force", "--time", "0", f"suanlian-{native_id}")
    for driver in (bench.driver, bench.make()):
        seen = driver.observe([native_id])[native_id]
        assert (seen.lost, seen.state) == (True, JobState.RUNNING)
        assert "no longer knows" in seen.reason
        driver.submit(work, keys={0: key})
        driver.cancel(native_id)
    assert ran.read_text() == "x\n"
    bench.driver.forget(native_id)
    assert list(bench.driver.known()) == []  # type: ignore[attr-defined]


def test_an_end_that_was_seen_stays_though_the_engine_forgets(podman: Podman, bench: DriverBench) -> None:
    native_id, seen = bench.run(("sh", "-c", "echo done; exit 3"))
    podman.run("rm", f"suanlian-{native_id}")
    again = bench.make()
    assert again.observe([native_id])[native_id] == seen
    assert again.read_log(native_id, "stdout", 0, 100) == b"done\n"  # type: ignore[attr-defined]


def test_a_container_without_a_directory_is_found_and_removed(podman: Podman, bench: DriverBench) -> None:
    native_id = bench.start(bench.commands["long"])
    bench.wait(native_id, running)
    (bench.staging.parent / "jobs" / native_id).rename(bench.staging.parent / "gone")
    driver = driver_of(bench)
    assert driver.observe([native_id])[native_id].lost
    assert [known for known, _ in driver.known()] == [native_id]
    driver.cancel(native_id)
    driver.forget(native_id)
    assert list(driver.known()) == []
    assert native_id not in podman.run("ps", "--all", "--format", "{{.Names}}")


def test_an_engine_that_cannot_start_containers_is_the_platforms_fault(bench: DriverBench, relay: FlakyEngine) -> None:
    key, staged = bench.stage()
    work = bench.work(("true",), {key: staged})
    relay.fail("500", "/start")
    for _time in range(4):
        with pytest.raises(DriverError, match="a bad day"):
            bench.driver.submit(work, keys={0: key})
    bench.driver.submit(work, keys={0: key})
    seen = bench.wait(NativeId(key))
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)
    assert "a bad day" in seen.reason


def certificate(place: Path, name: str) -> Path:
    """A key and a certificate for loopback that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = place / f"{name}.pem"
    file.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_over_tcp_the_engine_shows_its_certificate(podman: Podman, tmp_path: Path) -> None:
    right, wrong = certificate(tmp_path, "right"), certificate(tmp_path, "wrong")
    with flaky(podman.socket, right) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        bench = container_bench(podman, tmp_path / "a", url=url, tls_ca=right)
        native_id, seen = bench.run(("echo", "hello"))
        assert (seen.state, said(bench, native_id)) == (JobState.COMPLETE, b"hello\n")
        status = container_bench(podman, tmp_path / "b", url=url, tls_ca=wrong).driver.probe()
        assert not status.ready
        assert "certificate" in status.detail
    with pytest.raises(DriverError, match="is no address of an engine"):
        container_bench(podman, tmp_path / "c", url=url)


def test_what_is_missing_is_fetched_where_the_owner_says_so(tmp_path: Path) -> None:
    with registry() as shop, engine(shop.address) as podman:
        bench = container_bench(podman, tmp_path, pull=True)
        bench.image = shop.put("science/small", busybox_layer())
        native_id, seen = bench.run(("echo", "hello"))
        assert (seen.state, said(bench, native_id)) == (JobState.COMPLETE, b"hello\n"), seen
        foreign = shop.put("science/foreign", busybox_layer(), "riscv64")
        missing_, closed = (f"{shop.address}/{name}/small@sha256:{'1' * 64}" for name in ("science", shop.closed))
        for image, words in ((missing_, "not found: "), (closed, "not allowed: "), (foreign, "wrong architecture: ")):
            _, seen = bench.run(("true",), image=image)
            assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.IMAGE)
            assert seen.reason.startswith(words)
        assert "is for riscv64, this place is x86_64" in seen.reason
        plain = container_bench(podman, tmp_path / "plain")
        _, seen = plain.run(("true",), image=shop.put("science/other", busybox_layer(shell=False)))
        assert seen.reason.endswith("and fetches none")


def test_trouble_with_one_container_hides_no_other(bench: DriverBench, relay: FlakyEngine) -> None:
    short, long = bench.start(("sh", "-c", "echo done")), bench.start(bench.commands["long"])
    bench.wait(long, running)
    relay.fail("500", f"{short}/logs")
    # its end waits for its log; nothing is billed meanwhile, and the other job is seen as ever
    until("it has ended and is not told", lambda: bench.driver.observe([short, long])[short].ending)
    assert bench.driver.observe([long])[long].state is JobState.RUNNING
    until("the engine was asked often enough", lambda: bench.driver.observe([short, long])[short].ended_at)
    relay.fail("well")
    seen = bench.wait(short)
    assert (seen.state, seen.exit_code) == (JobState.COMPLETE, 0)
    assert b"the rest of the log could not be read: the engine has a bad day" in said(bench, short, "stderr")
    bench.driver.cancel(long)
    bench.wait(long)


def test_the_drivers_own_places_cannot_be_covered(bench: DriverBench) -> None:
    for path in ("/job", "/run/suanlian-secrets"):
        with pytest.raises(DriverError, match="own place"):
            bench.start(("true",), mounts=(Mount(path=path, source="x"),))
    native_id = bench.start(
        ("sh", "-c", "echo $S > /run/y"), mounts=(Mount(path="/run", source="x"),), secret_env={"S": "v"}
    )
    assert (ended_well(bench, native_id) / "x" / "y").read_text() == "v\n"
