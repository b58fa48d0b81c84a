"""No secret leaves in a log, however the log is cut into pieces; and nothing else of it is changed."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from suanlian.agent.redaction import Redactor
from suanlian.model.secret import MIN_CHARS

# few letters, so that secrets overlap each other, repeat themselves and begin at the end of a piece
letters = st.sampled_from([b"a", b"b", b"\n"])
secrets = st.lists(letters, min_size=MIN_CHARS, max_size=14).map(b"".join).filter(lambda text: bool(text.strip()))


@st.composite
def logs(draw: st.DrawFn) -> tuple[tuple[bytes, ...], bytes]:
    known = tuple(draw(st.lists(secrets, min_size=1, max_size=3)))
    parts = draw(st.lists(st.sampled_from(known) | st.lists(letters, max_size=9).map(b"".join), max_size=9))
    return known, b"".join(parts)


def sent(redactor: Redactor, log: bytes, cuts: list[int]) -> bytes:
    """What a hub has in the end, where the log had grown to each of ``cuts`` when it was looked at."""
    out = b""
    for grown in [*sorted(min(cut, len(log)) for cut in cuts), len(log)]:
        for final in (False, True) if grown == len(log) else (False,):
            start = max(0, len(out) - redactor.around)
            out += redactor.piece(log[start : len(out)], log[len(out) : grown], final=final)
    return out


def masked(known: tuple[bytes, ...], log: bytes) -> set[int]:
    """Which bytes belong to a secret: said in another way, byte by byte."""
    return {
        at + step
        for pattern in Redactor.of(known).patterns
        for at in range(len(log) - len(pattern) + 1)
        if log[at : at + len(pattern)] == pattern
        for step in range(len(pattern))
    }


@given(logs(), st.lists(st.integers(0, 120), max_size=8))
@example(((b"aaaaaaaaa",), b"aaaaaaaaaaaaaaa"), [3, 9, 10])
@example(((b"aaaaaaab", b"aaaaaaaa"), b"aaaaaaaaaaaaaaab"), [8, 15])
def test_every_chunking_masks_the_same_bytes_and_no_others(
    said: tuple[tuple[bytes, ...], bytes], cuts: list[int]
) -> None:
    known, log = said
    redactor, inside = Redactor.of(known), masked(known, log)
    out = sent(redactor, log, cuts)
    assert len(out) == len(log)
    assert out == sent(redactor, log, [])
    for pattern in redactor.patterns:
        assert pattern not in out
    tail = next((n for n in range(len(log)) if any(p.startswith(log[n:]) for p in redactor.patterns)), len(log))
    for at, byte in enumerate(out):
        if at in inside:
            assert byte == ord("*")
        elif at < tail:
            assert byte == log[at]


@given(logs(), st.lists(st.integers(0, 120), max_size=8))
def test_what_was_sent_is_never_taken_back(said: tuple[tuple[bytes, ...], bytes], cuts: list[int]) -> None:
    known, log = said
    redactor = Redactor.of(known)
    whole = sent(redactor, log, [])
    out = b""
    for grown in sorted(min(cut, len(log)) for cut in cuts):
        out += redactor.piece(log[max(0, len(out) - redactor.around) : len(out)], log[len(out) : grown], final=False)
        assert whole.startswith(out)


def test_a_line_that_can_begin_no_secret_goes_at_once() -> None:
    redactor = Redactor.of([b"swordfish-of-the-deep"])
    assert redactor.piece(b"", b"step 1 of 9\n", final=False) == b"step 1 of 9\n"
    assert redactor.piece(b"", b"the key is sword", final=False) == b"the key is "
    assert redactor.piece(b"", b"the key is swordfish-of-th", final=True) == b"the key is " + b"*" * 15
    assert redactor.piece(b"", b"a sword", final=True) == b"a sword"


def test_a_secret_of_lines_is_masked_whole_and_line_by_line() -> None:
    lines = [b"-----BEGIN KEY-----", b"MIIBVgIBADANBgkq", b"abc", b"-----END KEY-----"]
    redactor = Redactor.of([b"\n".join(lines) + b"\n"])
    for line in lines:
        out = redactor.piece(b"", b"> " + line + b" <", final=True)
        assert out == (b"> abc <" if line == b"abc" else b"> " + b"*" * len(line) + b" <")
    assert redactor.text("failed with MIIBVgIBADANBgkq at once") == f"failed with {'*' * 16} at once"


def test_without_secrets_nothing_is_held_back_or_changed() -> None:
    redactor = Redactor.of([])
    assert redactor.around == 0
    assert redactor.piece(b"", b"anything", final=False) == b"anything"


def test_a_long_run_of_one_letter_takes_no_long_time_and_is_masked_whole() -> None:
    log = b"a" * 300_000
    out = Redactor.of([b"a" * 16_000]).piece(b"", log, final=True)
    assert out == b"*" * len(log)
    assert all(before == after for before, after in pairwise(out[:10]))
