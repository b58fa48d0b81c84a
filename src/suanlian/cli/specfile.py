"""How does a file become a JobSpec? YAML or JSON, `--set` on top, local input files as content or objects."""

import base64
import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from suanlian.i18n import _
from suanlian.model.errors import InvalidError
from suanlian.model.job import JobSpec
from suanlian.model.reading import read
from suanlian.sdk.objects import check_size

MAX_SPEC_BYTES: Final = 4 * 1024 * 1024
INLINE_BYTES: Final = 64 * 1024
"""A local file up to this long goes inside the spec, a longer one as an object."""

_TEXT: Final = "tag:yaml.org,2002:str"
_WORDS: Final = frozenset({"tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"})
Upload = Callable[[bytes], object]
"""What is done with the bytes of a longer file."""


class _Loader(yaml.SafeLoader):
    """Numbers and dates stay texts: ``cpu: 0.5`` is not rounded, ``user_region: 310000`` is a code, not a number.

    The name of a field is a text, too: ``on`` is no truth value.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The fields; what YAML takes for yes, no or nothing is a name here."""
        for key, _value in node.value:
            if key.tag in _WORDS:
                key.tag = _TEXT
        return super().construct_mapping(node, deep=deep)


def _as_written(loader: _Loader, node: yaml.ScalarNode) -> object:
    return loader.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:float", _as_written)
_Loader.add_constructor("tag:yaml.org,2002:int", _as_written)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_written)


def load(path: Path, settings: Sequence[str], upload: Upload) -> JobSpec:
    """The job that the file describes.

    Each of ``settings`` is ``dotted.path=value``, the value in YAML. An input may name a local ``file``, beside the
    spec. Raises InvalidError, OSError.
    """
    document = parse(path)
    for setting in settings:
        _set(document, setting)
    inputs = document.get("inputs")
    if isinstance(inputs, list):
        document["inputs"] = [_input(item, path.parent, upload) for item in inputs]
    return read(JobSpec, document)


def parse(path: Path) -> dict[str, object]:
    """The document of a YAML or JSON file. Raises InvalidError ``field_invalid``."""
    if path.stat().st_size > MAX_SPEC_BYTES:
        raise _unreadable(path, _("it is larger than {limit} bytes").format(limit=MAX_SPEC_BYTES))
    try:
        text = path.read_text("utf-8")
        document = json.loads(text, parse_float=str) if path.suffix == ".json" else _yaml(text)
    except (ValueError, yaml.YAMLError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(document, dict):
        raise _unreadable(path, _("it holds no fields"))
    return document


def _yaml(text: str) -> object:
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that keeps decimals as texts


def _unreadable(path: Path, wrong: str) -> InvalidError:
    return InvalidError(
        "field_invalid",
        _("{path} does not read as YAML or JSON: {wrong}").format(path=path, wrong=wrong),
        todo=_("Mend the file; docs/tutorial shows one."),
        field=str(path),
    )


def _set(document: dict[str, object], setting: str) -> None:
    place, equals, value = setting.partition("=")
    *steps, last = place.split(".")
    try:
        inside: object = document
        for step in steps:
            inside = _below(inside, step)
        _put(inside, last if equals else "", _yaml(value))
    except (KeyError, ValueError, IndexError, yaml.YAMLError) as error:
        raise InvalidError(
            "field_invalid",
            _("--set {setting!r} cannot be applied.").format(setting=setting),
            todo=_("Write it as field.field=value, with fields of the file, such as wants.platform=wuhu."),
            field=place,
        ) from error


def _put(inside: object, last: str, value: object) -> None:
    if isinstance(inside, list):
        inside[int(last)] = value
    elif isinstance(inside, dict) and last:
        inside[last] = value
    else:
        raise KeyError(last)


def _below(inside: object, step: str) -> object:
    if isinstance(inside, dict):
        return inside.setdefault(step, {})
    if isinstance(inside, list):
        return inside[int(step)]
    raise KeyError(step)


def _input(item: object, directory: Path, upload: Upload) -> object:
    if not isinstance(item, dict) or "file" not in item:
        return item
    file = directory / str(item["file"])
    check_size(file.stat().st_size, str(file))
    data = file.read_bytes()
    rest = {name: value for name, value in item.items() if name != "file"}
    return {"path": file.name, **rest, **carried(data, upload)}


def carried(data: bytes, upload: Upload) -> dict[str, object]:
    """How the bytes of an input go along: inside the spec, or uploaded."""
    if len(data) <= INLINE_BYTES:
        try:
            return {"content": data.decode()}
        except UnicodeDecodeError:
            return {"content_base64": base64.b64encode(data).decode()}
    upload(data)
    return {"object": True, "sha256": hashlib.sha256(data).hexdigest()}
