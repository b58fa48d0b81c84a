"""A Slurm cluster whose users may lend: the hook in its controller, a small node that tells ends, a spool."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suanlian.drivers.lending import LendTerms
from suanlian.drivers.slurm import lend_hook
from suanlian.drivers.slurm.driver import SlurmDriver
from suanlian.drivers.slurm.lend import SlurmLender
from suanlian.drivers.slurm.options import SlurmOptions
from suanlian.model.lending import LendKey
from suanlian.testing.processes import until
from suanlian.testing.slurm import Node, Shape, SlurmCluster

SCONTROL = "/usr/bin/scontrol"
BODY = "#!/bin/bash\necho body > ran-$SLURM_JOB_ID\necho hello; echo sorry >&2; exit 3\n"
FULL = "#!/bin/sh\nexec sleep 3600\n"


@dataclass
class LendingCluster:
    """One cluster, its users, and what they see."""

    cluster: SlurmCluster
    user: str
    terms: LendTerms

    @property
    def home(self) -> Path:
        """Where the user submits."""
        return self.cluster.directory / "home"

    def lender(self) -> SlurmLender:
        """What a connector lends by."""
        driver = SlurmDriver(SlurmOptions(root=self.cluster.directory / "jobs", conf=self.cluster.conf))
        made = driver.lender(self.terms)
        assert isinstance(made, SlurmLender)
        return made

    def sbatch(self, *options: str, script: str = BODY, arguments: tuple[str, ...] = ()) -> str:
        """Submit as the user, at home; its number."""
        said = ("sbatch", "--parsable", f"--chdir={self.home}", *options)
        if arguments:
            (self.home / "job.sh").write_text(script)
            return self.cluster.command(*said, str(self.home / "job.sh"), *arguments, user=self.user).strip()
        return self.cluster.command(*said, user=self.user, stdin=script).strip()

    def fill(self) -> str:
        """Fill the main partition, and wait until it is full."""
        number = self.sbatch("--partition=main", "--ntasks=2", "--job-name=full", script=FULL)
        until("the cluster is full", lambda: self.told(number)["JobState"] == "RUNNING")
        return number

    def told(self, number: str) -> dict[str, str]:
        """What scontrol tells of a job, by its own words; the notes whole."""
        text = self.cluster.command("scontrol", "show", "job", number)
        pairs = [part.partition("=") for part in text.split() if "=" in part]
        notes = [line.strip().partition("=") for line in text.splitlines() if line.strip().startswith("AdminComment=")]
        return {name: value for name, _is, value in (*pairs, *notes)}

    def ended(self, number: str, *, within_s: float = 90) -> dict[str, str]:
        """What is told of a job that has ended."""

        def look() -> dict[str, str] | None:
            told = self.told(number)
            return told if told["JobState"] not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING") else None

        return until(f"job {number} has ended: {self.told(number)}", look, within_s=within_s, every_s=0.2)

    def key(self, number: str) -> LendKey:
        """What a job is lent under."""
        (found,) = [job.key for job in self.lender().lendable(100) if job.key.native_id == number]
        return found

    def read(self, name: str) -> str:
        """A file at home."""
        return (self.home / name).read_text()

    def ran(self, number: str) -> bool:
        """Whether the body ran here."""
        return (self.home / f"ran-{number}").exists()


@contextmanager
def lending_cluster(
    name: str, user: str, *, cpus: int = 2, inside: tuple[str, ...] = (), variables: tuple[str, ...] = ("COLOUR",)
) -> Iterator[LendingCluster]:
    """Main: one node of so many cores. Replay: one of a single core, for ends."""
    nodes = (Node("n1", cpus=cpus), Node("n2", cpus=1))
    partitions = (("main", "Nodes=n1{tag}"), ("replay", "Nodes=n2{tag}"))
    shape = Shape(name=name, nodes=nodes, partitions=partitions, extra=("JobSubmitPlugins=lua",))
    cluster = SlurmCluster(shape, prefix=inside)
    spool = cluster.directory / "lent"
    terms = LendTerms(("main",), (), spool, replay_queue="replay", variables=variables)
    files = lend_hook.hook(terms, SCONTROL, str(cluster.directory))
    for file, text in {**files.files, **files.starters}.items():
        (cluster.directory / file).write_text(text)
    spool.mkdir(mode=0o755)
    with cluster:
        made = LendingCluster(cluster, user, terms)
        made.home.mkdir()
        made.home.chmod(0o777)
        yield made
