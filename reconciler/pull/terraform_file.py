"""Read a Terraform state: the output of `terraform show -json`, or a state file of version 4.

Both forms become `Instance`s, one for each instance of a managed resource. Data sources and outputs
are not read. A state contains secrets in clear text, so messages do not quote its values, and an
`Instance` does not print any.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

from reconciler.diagnostics import SourceLocation, error
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

MAX_STATE = 64 * 1024 * 1024
"""Maximum bytes of a state."""

UNREADABLE = "terraform-unreadable"
NOT_A_STATE = "terraform-not-a-state"

SHOW = "run `terraform show -json > state.json` in the folder of the configuration"

_OF_PLANS = frozenset(
    {"resource_changes", "planned_values", "prior_state", "configuration", "errored"}
)
"""Members of a plan, of which one that failed may have only the last."""

_NAME = r"[^\W\d][\w-]*"
_KEY = r'\[(?:(?P<number>\d+)|"(?P<key>(?:[^"\\]|\\.)*)")\]'
_MODULE = re.compile(rf"module\.(?P<name>{_NAME})(?:{_KEY})?(?:\.|$)")
_ADDRESS = re.compile(r'"address"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.)*")')
_RESOURCE_NAME = re.compile(_NAME)
_PROVIDER_OF_STATE = re.compile(r'provider\["([^"]+)"\]')


@dataclass(frozen=True, slots=True)
class ModuleStep:
    """One module on the way to a resource; `key` is that of `count` or `for_each`."""

    name: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a managed resource.

    `configured` is the address without the keys of `count` and `for_each`. `sensitive` are the
    attributes that the state marks as sensitive, completely or partly. `is_deposed` marks an object
    that Terraform has replaced and not yet destroyed.
    """

    address: str
    configured: str
    modules: tuple[ModuleStep, ...]
    type: str
    provider: str
    attributes: Mapping[str, Any] = field(repr=False)
    sensitive: frozenset[str]
    depends_on: tuple[str, ...]
    at: SourceLocation
    is_deposed: bool = False


def read_instances(content: bytes, where: str) -> list[Instance]:
    """Return the managed resources of a state; `where` is its displayed name.

    Raises `InvalidInput` for anything but a state.
    """
    text = _decoded(content, where)
    document = _parsed(text, where)
    _refuse_other_documents(document, where)
    reader = _Reader(where, text)
    if "format_version" in document:
        return list(reader.shown(document))
    return list(reader.stored(document))


def _decoded(content: bytes, where: str) -> str:
    if len(content) > MAX_STATE:
        limit = f"{MAX_STATE // (1024 * 1024)} MiB"
        hint = "pass a state of this configuration only, without the states of other projects"
        raise _refused(UNREADABLE, where, f"is larger than {limit}", hint)
    # `>` of PowerShell 5 writes UTF-16, the most likely cause on Windows, so it has a separate
    # hint. Without a byte order mark, the first character of JSON has a byte of 0.
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in content[:2]:
        hint = "write it as UTF-8; in PowerShell, use `| Out-File -Encoding utf8` instead of `>`"
        raise _refused(UNREADABLE, where, "is UTF-16 or UTF-32, not UTF-8", hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(UNREADABLE, where, "is not UTF-8", SHOW) from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    if not text.strip():
        raise _refused(UNREADABLE, where, "is empty", SHOW)
    try:
        document = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
        )
    except json.JSONDecodeError as problem:
        # Not raised `from` the cause, which contains the whole text, including secrets.
        at = SourceLocation(where, problem.lineno, problem.colno)
        # A pipe that was closed early leaves valid JSON up to its end.
        is_cut_off = problem.pos >= len(text.rstrip())
        what = "ends in the middle of the JSON" if is_cut_off else "is not JSON"
        # The log of a command with `-json` is a JSON document in each line.
        what = "has text after the JSON" if problem.msg == "Extra data" else what
        hint = SHOW if not text.lstrip().startswith("#") else f"{SHOW}; `-json` is missing"
        raise InvalidInput([error(UNREADABLE, f"{where} {what}", hint=hint, at=at)]) from None
    except _DuplicateName:
        raise _refused(UNREADABLE, where, "has duplicate keys", SHOW) from None
    except (ValueError, RecursionError):
        raise _refused(UNREADABLE, where, "contains JSON that cannot be read", SHOW) from None
    if not isinstance(document, dict):
        raise _refused(NOT_A_STATE, where, "is not a Terraform state", SHOW)
    return document


class _DuplicateName(ValueError):
    """An object has duplicate keys, of which only one would be seen."""


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise _DuplicateName
    return found


def _refuse_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _refuse_other_documents(document: Mapping[str, Any], where: str) -> None:
    """Raise for JSON that Terraform writes and that is not a state, and for any other."""
    # Before the version is checked, because plans also have a `format_version`.
    if document.keys() & _OF_PLANS:
        hint = f"{SHOW}, without the name of a plan"
        raise _refused(NOT_A_STATE, where, "is a plan, not a state", hint)
    if "provider_schemas" in document:
        raise _refused(NOT_A_STATE, where, "contains provider schemas, not a state", SHOW)
    if "valid" in document:
        raise _refused(NOT_A_STATE, where, "is the output of `validate`, not a state", SHOW)
    if "encrypted_data" in document:
        hint = "run `tofu show -json > state.json`, which decrypts it"
        raise _refused(NOT_A_STATE, where, "is an encrypted state", hint)
    if "format_version" in document:
        _refuse_other_format(document, where)
    # Not a set, because the value can be of a type that cannot be hashed.
    elif document.get("version") in range(5, 100):
        raise _refused(NOT_A_STATE, where, "is a state of a version after 4", SHOW)
    elif document.get("version") in (1, 2, 3):
        hint = f"{SHOW} with Terraform 0.12 or later"
        raise _refused(NOT_A_STATE, where, "is a state of a version before 4", hint)
    elif document.get("version") != 4 or not isinstance(document.get("resources"), list):
        raise _refused(NOT_A_STATE, where, "is not a Terraform state", SHOW)


def _refuse_other_format(document: Mapping[str, Any], where: str) -> None:
    """Raise for an output of `terraform show -json` without a state."""
    version = str(document["format_version"])
    if version.partition(".")[0] not in {"0", "1"}:
        raise _refused(NOT_A_STATE, where, "has an unknown format_version", SHOW)
    if document.get("values") is None:
        hint = f"{SHOW}, with the backend and the workspace that contain the integrations"
        raise _refused(NOT_A_STATE, where, "is an empty state: it has no values", hint)


class _Reader:
    """Reads one state; `text` is searched for the location of each resource."""

    def __init__(self, where: str, text: str) -> None:
        self._where = where
        self._text = text

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """Return the line and column of each address, the first one if it occurs twice."""
        found: dict[str, tuple[int, int]] = {}
        line, line_start, offset = 1, 0, 0
        # One pass, because a search for each address would read the rest of the text each time.
        for match in _ADDRESS.finditer(self._text):
            start = match.start()
            line += self._text.count("\n", offset, start)
            line_start = self._text.rfind("\n", offset, start) + 1 or line_start
            offset = start
            # Terraform writes `&`, `<` and `>` with escapes.
            found.setdefault(json.loads(match[1]), (line, start - line_start + 1))
        return found

    def shown(self, document: Mapping[str, Any]) -> Iterator[Instance]:
        """Read the form of `terraform show -json`."""
        values = self._mapping(document["values"], "values")
        root = values.get("root_module")
        if root is not None:
            yield from self._shown_module(self._mapping(root, "root_module"), "")

    def _shown_module(self, module: Mapping[str, Any], address: str) -> Iterator[Instance]:
        # Modules are nested, and a list instead of recursion allows any depth.
        waiting = [(module, address)]
        while waiting:
            current, where = waiting.pop()
            for item in self._list(current.get("resources"), "resources"):
                resource = self._mapping(item, "resources")
                if resource.get("mode") == "managed":
                    yield self._shown_resource(resource, where)
            children = self._list(current.get("child_modules"), "child_modules")
            for child in reversed(children):
                inner = self._mapping(child, "child_modules")
                waiting.append((inner, self._text_of(inner, "address")))

    def _shown_resource(self, resource: Mapping[str, Any], module: str) -> Instance:
        values = self._attributes(resource.get("values"))
        address = resource.get("address")
        return self._instance(
            resource,
            module=module,
            key=resource.get("index"),
            attributes=values,
            provider=self._text_of(resource, "provider_name"),
            sensitive=_sensitive_values(resource.get("sensitive_values"), values),
            depends_on=resource.get("depends_on"),
            at=self._place(address),
            is_deposed=resource.get("deposed_key") is not None,
        )

    def stored(self, document: Mapping[str, Any]) -> Iterator[Instance]:
        """Read the form of a state file."""
        for item in document["resources"]:
            resource = self._mapping(item, "resources")
            if resource.get("mode") != "managed":
                continue
            provider = _PROVIDER_OF_STATE.search(self._text_of(resource, "provider"))
            for each in self._list(resource.get("instances"), "instances"):
                instance = self._mapping(each, "instances")
                attributes = self._attributes(instance.get("attributes"))
                marks = instance.get("sensitive_attributes")
                yield self._instance(
                    resource,
                    module=str(resource.get("module") or ""),
                    key=instance.get("index_key"),
                    attributes=attributes,
                    provider=provider.group(1) if provider else "",
                    sensitive=_sensitive_paths(marks, attributes),
                    depends_on=instance.get("dependencies"),
                    # The file has no positions of addresses, so the summary of a finding names the
                    # resource.
                    at=SourceLocation(self._where),
                    is_deposed=instance.get("deposed") is not None,
                )

    def _instance(
        self,
        resource: Mapping[str, Any],
        *,
        module: str,
        key: object,
        attributes: Mapping[str, Any],
        provider: str,
        sensitive: frozenset[str],
        depends_on: object,
        at: SourceLocation,
        is_deposed: bool,
    ) -> Instance:
        kind, name = self._text_of(resource, "type"), self._text_of(resource, "name")
        modules = _modules(module)
        names_are_valid = _RESOURCE_NAME.fullmatch(kind) and _RESOURCE_NAME.fullmatch(name)
        if modules is None or not names_are_valid:
            raise self._malformed("a resource has an address that Terraform cannot have written")
        steps = [f"module.{step.name}" for step in modules]
        prefix = f"{module}." if module else ""
        index = f"[{json.dumps(key)}]" if isinstance(key, int | str) else ""
        return Instance(
            address=f"{prefix}{kind}.{name}{index}",
            configured=".".join([*steps, kind, name]),
            modules=modules,
            type=kind,
            provider=provider,
            attributes=attributes,
            sensitive=sensitive,
            depends_on=tuple(str(item) for item in self._list(depends_on, "depends_on")),
            at=at,
            is_deposed=is_deposed,
        )

    def _place(self, address: object) -> SourceLocation:
        """Return the location of an address."""
        place = self._places.get(address) if isinstance(address, str) else None
        return SourceLocation(self._where, *place) if place else SourceLocation(self._where)

    def _attributes(self, value: object) -> Mapping[str, Any]:
        # A state file that Terraform 0.11 wrote first has `attributes_flat` for some resources.
        return {} if value is None else self._mapping(value, "values")

    def _mapping(self, value: object, name: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._malformed(f"`{name}` is not an object")
        return value

    def _list(self, value: object, name: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._malformed(f"`{name}` is not a list")
        return value

    def _text_of(self, value: Mapping[str, Any], name: str) -> str:
        found = value.get(name)
        if not isinstance(found, str):
            raise self._malformed(f"`{name}` of a resource is not text")
        return found

    def _malformed(self, what: str) -> InvalidInput:
        return _refused(NOT_A_STATE, self._where, f"is not a Terraform state: {what}", SHOW)


def _sensitive_values(marks: object, attributes: Mapping[str, Any]) -> frozenset[str]:
    """Return the attributes that `sensitive_values` marks, wholly or in part."""
    if isinstance(marks, Mapping):
        return frozenset(name for name, mark in marks.items() if _marks(mark))
    # A mark of the whole resource marks everything in it.
    return frozenset(attributes) if _marks(marks) else frozenset()


def _marks(mark: object) -> bool:
    """Return whether a mark of `sensitive_values` marks anything."""
    if isinstance(mark, Mapping):
        return any(_marks(item) for item in mark.values())
    if isinstance(mark, list):
        return any(_marks(item) for item in mark)
    return bool(mark)


def _sensitive_paths(paths: object, attributes: Mapping[str, Any]) -> frozenset[str]:
    """Return the first step of every path of `sensitive_attributes`."""
    if not paths:
        return frozenset()
    found = set()
    for path in paths if isinstance(paths, list) else (paths,):
        match path:
            case [{"type": "get_attr", "value": str(name)}, *_]:
                found.add(name)
            case _:
                # An empty path marks the whole resource, and an unknown form may also do so.
                found.update(attributes)
    return frozenset(found)


def _modules(address: str) -> tuple[ModuleStep, ...] | None:
    """Split the address of a module; return None for text that is not one."""
    steps, at = [], 0
    while at < len(address):
        found = _MODULE.match(address, at)
        if found is None:
            return None
        key = found["number"] if found["number"] is not None else found["key"]
        steps.append(ModuleStep(found["name"], key))
        at = found.end()
    return tuple(steps)


def _refused(code: str, where: str, what: str, hint: str) -> InvalidInput:
    at = SourceLocation(where)
    return InvalidInput([error(code, f"{where} {what}", hint=hint, at=at)])
