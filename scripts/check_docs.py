"""Do the docs name all that exists, and do they hold? Reference, links, decisions, the two READMEs.

`python -m scripts.check_docs` prints every finding and exits 1 on any. What the sources do not have yet (no settings
module, say) is a note; with `--strict`, as `make check` runs it, it is a finding too.
"""

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts import surface

ROOT = Path(__file__).resolve().parent.parent
DECISION_LINES = 60
GROUP_WORDS = 3

FENCE = re.compile(r"^```.*?^```[ \t]*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
SEPARATOR = re.compile(r"(?<!\\)\|")
CODE_SPAN = re.compile(r"`[^`\n]*`")

# The brackets keep these from matching this very file.
MACHINE = re.compile(
    r"/work[/](?:main|shared|\.library)|/roo[t]/|/hom[e]/(?!user\b|\*)\w+/|/User[s]/\w+/|/op[t]/(?:pypi|wheels)|\.pyen[v]/"
)
REGISTRY = re.compile(
    r"\b(?:pypi\.or[g]|pythonhosted\.or[g]|npmjs\.(?:or[g]|co[m])|docker\.i[o]|ghcr\.i[o]|quay\.i[o]|gcr\.i[o])\b"
    r"|--(?:extra-)?index-ur[l][ =]|tuna\.tsinghu[a]|mirrors\.aliyu[n]"
)
LOCAL_HOST_NAMES = frozenset({"localhost", "localhost.localdomain"})


@dataclass(frozen=True)
class Findings:
    """What is wrong, and what is not there to be judged."""

    wrong: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(self.wrong + other.wrong, self.absent + other.absent)


def reference(root: Path) -> str:
    """Return the text of docs/reference, all pages."""
    return "\n".join(page.read_text("utf-8") for page in sorted((root / "docs" / "reference").glob("**/*.md")))


def named(text: str, what: str, wanted: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    """Yield a line for each thing of `wanted` (its name, and a pattern of how the docs write it) not in `text`."""
    for name, pattern in sorted(wanted.items()):
        if not pattern.search(text):
            yield f"docs/reference: {what} {name!r} is not described"


def completeness(text: str, surfaces: Mapping[str, Callable[[], Mapping[str, re.Pattern[str]]]]) -> Findings:
    """Hold what the sources offer against the text of the reference."""
    found = Findings()
    for what, read in surfaces.items():
        try:
            wanted = read()
        except surface.AbsentError as absent:
            found += Findings(absent=(f"{what}: {absent}",))
        else:
            found += Findings(wrong=tuple(named(text, what, wanted)))
    return found


def decisions(root: Path) -> Iterator[str]:
    """Yield the decisions that are longer than a page."""
    for page in sorted((root / "docs" / "decisions").glob("*.md")):
        lines = len(page.read_text("utf-8").splitlines())
        if lines > DECISION_LINES:
            yield f"docs/decisions/{page.name}: {lines} lines, a decision has {DECISION_LINES} at most"


def twins(english: str, chinese: str) -> Iterator[str]:
    """Yield how the two READMEs differ in build: number of headings, and code blocks word for word."""
    headings = [len(HEADING.findall(FENCE.sub("", text))) for text in (english, chinese)]
    if headings[0] != headings[1]:
        yield f"README.md has {headings[0]} headings, README.zh-CN.md has {headings[1]}"
    ours, theirs = FENCE.findall(english), FENCE.findall(chinese)
    if len(ours) != len(theirs):
        yield f"README.md has {len(ours)} code blocks, README.zh-CN.md has {len(theirs)}"
    for number, (left, right) in enumerate(zip(ours, theirs, strict=False), start=1):
        if left != right:
            yield f"README.md and README.zh-CN.md differ in code block {number}"


def links(root: Path, page: str) -> Iterator[str]:
    """Yield the relative links of one page that lead nowhere."""
    text = CODE_SPAN.sub("", FENCE.sub("", (root / page).read_text("utf-8")))
    for target in LINK.findall(text):
        path = target.partition("#")[0]
        if path and not re.match(r"[a-z][a-z0-9+.-]*:", path) and not ((root / page).parent / path).exists():
            yield f"{page}: the link to {target} leads nowhere"


def doubled_rows(root: Path, page: str) -> Iterator[str]:
    """Yield the rows of a page's tables that begin as an earlier one: a merge left both.

    A short word in front is a group, whose rows the second cell tells apart; a name in code or a sentence is one row's.
    """
    seen: set[tuple[str, ...]] = set()
    for number, line in enumerate((root / page).read_text("utf-8").splitlines(), start=1):
        if not line.startswith("|"):
            seen = set()
            continue
        cells = [cell.strip() for cell in SEPARATOR.split(line)[1:]]
        is_group = not cells[0].startswith("`") and len(cells[0].split()) <= GROUP_WORDS
        row = tuple(cells[: 2 if is_group else 1])
        if row in seen:
            yield f"{page}:{number}: the table has a row {' | '.join(row)!r} already"
        seen.add(row)


def private_words(root: Path, path: str, host: str) -> Iterator[str]:
    """Yield the lines of a file that name a path or host of one machine, or a registry."""
    try:
        text = (root / path).read_text("utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return  # a picture, or a file deleted but not yet from the index
    words = [MACHINE, REGISTRY]
    words += [re.compile(rf"\b{re.escape(host)}\b")] if host not in LOCAL_HOST_NAMES else []
    for number, line in enumerate(text.splitlines(), start=1):
        if any(word.search(line) for word in words):
            yield f"{path}:{number}: names a path of one machine, its host name or a package registry"


def tracked(root: Path) -> list[str]:
    """Return the files that git tracks or would, as paths from the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return sorted({path for path in done.stdout.split("\0") if path})


def pages(root: Path, files: list[str]) -> Findings:
    """Check what stands in the files themselves, whatever the sources offer."""
    host = socket.gethostname()
    wrong = [*decisions(root)]
    texts = [path for path in files if path.endswith(".md") and (root / path).exists()]
    wrong += [line for check in (links, doubled_rows) for path in texts for line in check(root, path)]
    wrong += [line for path in files for line in private_words(root, path, host)]
    readmes = [root / "README.md", root / "README.zh-CN.md"]
    absent = tuple(f"{readme.name} is not there" for readme in readmes if not readme.exists())
    if not absent:
        wrong += twins(*(readme.read_text("utf-8") for readme in readmes))
    return Findings(tuple(wrong), absent)


def main(arguments: list[str]) -> int:
    """Print every finding; 1 if any is wrong, or absent under `--strict`."""
    strict = "--strict" in arguments
    found = completeness(reference(ROOT), surface.ALL) + pages(ROOT, tracked(ROOT))
    failures = found.wrong + (found.absent if strict else ())
    print(*found.wrong, *(f"absent: {line}" for line in found.absent), f"{len(failures)} findings", sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
