"""What a hub or a connector said in English, in the language in force: known again by the text that it was made of.

Refusals and the reasons of attempts travel in English, so that programs, logs and people of every language have one
wording, and an older client reads a newer hub. Their texts stand in the catalogue, their values as ``{0}``, ``{1}``:
those of refusals are found in the sources (``scripts/told_texts.py``), those of attempts stand below.
"""

import re
from functools import cache
from string import Formatter
from typing import Final, NamedTuple

from suanlian.i18n.catalog import DEFAULT, gettext, language, texts

_LEAST: Final = 3
"""A text with fewer letters of its own would know too much again."""


def T_(text: str) -> str:  # noqa: N802 - as gettext's names are
    """Mark a text of a hub or a connector, its values as ``{0}``, ``{1}``, and leave it as it is."""
    return text


SAID: Final = (
    T_("Did you mean {0}?"),
    T_("Fields that cannot be taken: {0}."),
    T_("estimate_s is at most wall_time_s"),
    T_("save is for jobs of one task: let the tasks of an array bring outputs"),
    T_("it was not kept: {0}"),
    T_("it was not brought to {0}: {1}"),
    T_("no storage that is written lies beside the place where the job ran"),
    T_("Use the key of the right role, or ask the hub's operator."),
    T_("The role {0} may not do this ({1})."),
    T_("is set to no region"),
    T_("lies in {0}"),
    T_("nothing"),
    T_("canceled"),
    T_("cancelled before it started"),
    T_("canceled before it started"),
    T_("exit code {0}"),
    T_("exit code {0}: ended by signal {1}"),
    T_("ended by signal {0} ({1})"),
    T_("ended by signal {0}"),
    T_("{0}; the job was ended"),
    T_("memory limit of {0} MiB reached (peak {1} MiB)"),
    T_("memory limit reached (peak {0} MiB)"),
    T_("memory limit of {0} MiB reached"),
    T_("memory limit of {0} MiB exceeded"),
    T_("wall time limit of {0} s reached"),
    T_("wall time limit of {0} s reached (Slurm counts whole minutes)"),
    T_("wall time limit reached"),
    T_("disk limit of {0} MiB reached"),
    T_("disk limit of {0} MiB exceeded in the working directory"),
    T_("disk limit reached; the job was ended: {0}"),
    T_("output limit of {0} bytes reached"),
    T_("limit of {0} processes reached"),
    T_("cpu time limit reached"),
    T_("cannot start {0}: {1}"),
    T_("output {0} is missing"),
    T_("the working directory is missing"),
    T_("output {0} cannot be read: it is a symbolic link, special or closed ({1})"),
    T_("output {0} is neither a file nor a directory"),
    T_("output {0} is larger than {1} MiB"),
    T_("there are more than {0} output files; pack them into one"),
    T_("an output has a name that is not taken: {0}"),
    T_("the platform's engine keeps no outputs"),
    T_("the platform's engine keeps no files of its jobs"),
    T_("saved path {0} is missing"),
    T_("saved path {0} is neither a file nor a directory"),
    T_("saved path {0} leads through a link"),
    T_("bringing data: {0} of {1} bytes of {2}"),
    T_("{0}; not brought: {1}"),
    T_("more than {0} MiB of outputs"),
    T_("the platform's engine no longer knows the job. {0}"),
    T_("evicted by its owner"),
    T_("paused by its owner"),
    T_("moved by its owner"),
    T_("the platform is drained"),
    T_("the platform is drained: {0}"),
    T_("lost: its place was not heard of from {0} on; it runs elsewhere"),
    T_("lost: cancelled while its place was not heard of; whether it still runs there is not known"),
    T_("after_failed: {0} ended {1}"),
    T_("after_failed: {0} brought no {1}"),
    T_("after_failed: more than {0} files would be handed on"),
    T_("after_failed: a path of {0} is too long to be handed on"),
    T_("deadline_passed: it should have ended by {0} UTC"),
    T_("deadline_passed: begun now, its wall time would pass {0} UTC"),
    T_("owner_refuses: {0}"),
    T_("engine_refuses: {0}"),
    T_("engine_refuses: its data is not here as it should be: {0}"),
    T_("engine_refuses: its data cannot be read here: {0}"),
    T_("image_unusable: {0}"),
    T_("checksum_mismatch: {0} has SHA-256 {1}, stated was {2}."),
    T_("input_host_unknown: The host {0} of an input does not exist: {1}."),
    T_("input_origin_refused: The input {0} is not read: {1}."),
    T_("no_such_secret: {0}"),
    T_("failed; its exit code is not told"),
    T_("evicted from its node: {0}"),
    T_("the node ended it: {0}"),
    T_("its node is gone: {0}"),
    T_("the container did not run: {0}"),
    T_("Slurm can never start the job here: {0}"),
    T_("Slurm lost the job's node {0} ({1})"),
    T_("Slurm has forgotten the job; its own record says how it ended"),
    T_("Ray did not start it: {0}"),
    T_("the node or the Ray worker that held the job failed: {0}"),
    T_("the Ray worker that held the job ended"),
    T_("the engine no longer knows its container: it was removed, or the engine was reset"),
    T_("the job had been started before by a keeper that is gone: it is not run twice"),
    T_("waits until {0} UTC before another try"),
    T_("waits for {0} of {1} jobs: {2}"),
    T_("waits for other jobs"),
    T_("waits until its inputs have been read"),
)
"""Of attempts and of jobs."""


class _Template(NamedTuple):
    """A text with values in it, as it is looked for, and in the language in force."""

    own: tuple[int, int]
    """How many letters of its own it has, and how many characters."""
    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    translated: str


def told(text: str) -> str:
    """The text in the language in force, with what its values say; as it is, where it is none that is known."""
    if not text or language() == DEFAULT:
        return text
    plain = gettext(text)
    return plain if plain != text else _filled(text)


def _filled(text: str) -> str:
    for template in _templates(language()):
        match = template.pattern.fullmatch(text)
        if match is not None:
            values = {name: told(match[f"v{name}"].strip()) for name in template.fields}
            return template.translated.format(*(values[str(n)] for n in range(len(values))))
    return text


@cache
def _templates(lang: str) -> tuple[_Template, ...]:
    """Those with values, the one with the most letters of its own first."""
    found = []
    for text, translated in texts(lang).items():
        parts = [(literal, name) for literal, name, _spec, _conversion in Formatter().parse(text)]
        fields = tuple(name for _literal, name in parts if name)
        own = "".join(literal for literal, _name in parts)
        letters = sum(char.isalpha() for char in own)
        if fields and all(name.isdecimal() for name in fields) and letters >= _LEAST and translated:
            pattern = "".join(re.escape(literal) + (f"(?P<v{name}>.*?)" if name else "") for literal, name in parts)
            found.append(_Template((letters, len(own)), re.compile(pattern, re.DOTALL), fields, translated))
    return tuple(sorted(found, key=lambda template: template.own, reverse=True))
