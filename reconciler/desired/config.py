"""Read reconcile.yaml: targets, what may be owned, limits, tombstones.

The schema is `reconciler.domain.policy`; this file finds the mistakes. The API key is named here
and never read.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.references import bind_references, parse_reference
from reconciler.desired.scalars import typed
from reconciler.desired.source import FileSource, UnreadableFile
from reconciler.desired.suggestions import did_you_mean, one_of
from reconciler.desired.validate import check_model
from reconciler.desired.yaml_reader import read_yaml
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.facts import SECRET_NAME
from reconciler.domain.identifiers import SLUG
from reconciler.domain.policy import StrictSettings, Target, Tombstone
from reconciler.domain.schema import compiled
from reconciler.domain.secrets import Redacted

CONFIG_FILE = "reconcile.yaml"

_KEY_HINT = "write `api_key: ${env:PORTKEY_API_KEY}` or name a secret manager"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ConfigFile(StrictSettings):
    """The schema of reconcile.yaml."""

    version: Literal[1] = Field(description="Version of this file's format.")
    default_target: str | None = Field(None, description="Target used without --target.")
    targets: dict[str, Target] = Field(description="Where the integrations live, by name.")
    deletions: tuple[Tombstone, ...] | None = Field(
        None, description="Slugs that must not exist, whatever `prune` says."
    )


@dataclass(frozen=True, slots=True)
class Config:
    """What reconcile.yaml says."""

    default_target: str | None
    targets: Mapping[str, Target]
    tombstones: Mapping[str, Tombstone] = field(default_factory=lambda: MappingProxyType({}))


def read_config(source: FileSource, problems: ProblemCollector) -> Config | None:
    """Read reconcile.yaml of a source; None when something in it is wrong."""
    try:
        data = source.read(CONFIG_FILE)
    except UnreadableFile as problem:
        problems.add_unreadable(CONFIG_FILE, _missing(problem))
        return None
    reading = read_yaml(data)
    problems.add_faults(CONFIG_FILE, reading, data)
    if reading.broken:
        return None
    before = len(problems.diagnostics)
    value = reading.documents[0].value if reading.documents else {}
    document = Sourced({} if value is None else value, SourceOrigin(CONFIG_FILE))
    if len(reading.documents) > 1:
        second = SourceOrigin(CONFIG_FILE, reading.documents[1].index)
        problems.error("wrong-type", f"{CONFIG_FILE} holds one document", second)
    tree = typed(document.value, compiled(ConfigFile))
    _check(tree, document, problems)
    if len(problems.diagnostics) > before or reading.faults:
        return None
    return _build(tree)


def choose_target(config: Config, name: str | None) -> tuple[Target | None, tuple[Diagnostic, ...]]:
    """Pick a target by name, or the default one."""
    wanted = name or config.default_target
    if wanted is None:
        hint = "use --target with " + one_of(sorted(config.targets))
        summary = f"no target is named, and {CONFIG_FILE} has no default_target"
        return None, (error("no-target", summary, hint=hint),)
    target = config.targets.get(wanted)
    if target is None:
        hint = did_you_mean(wanted, config.targets) or one_of(sorted(config.targets))
        summary = f"there is no target `{wanted}` in {CONFIG_FILE}"
        return None, (error("unknown-target", summary, hint=hint),)
    return target, ()


def override_base_url(target: Target, url: str) -> tuple[Target | None, tuple[Diagnostic, ...]]:
    """Point a target at the URL of the environment; a simulator target stays what it is."""
    if target.is_simulator:
        return target, ()
    problem = base_url_problem(url)
    if problem is not None or url.startswith("simulator:"):
        summary = f"PORTKEY_BASE_URL {problem or 'must begin with https://'}"
        return None, (error("invalid-base-url", summary, hint=_URL_HINT),)
    return target.model_copy(update={"base_url": _plain_url(url)}), ()


_URL_HINT = "such as https://api.portkey.ai/v1; http:// is for this machine only"


def base_url_problem(url: str) -> str | None:
    """Say what is wrong with a base URL, in words that follow its name; never shows the URL."""
    if url == "simulator:":
        return None
    if any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
        return "must not hold spaces, backslashes or control characters"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"https", "http"} or not host:
        return "must begin with https:// and name a host"
    if "@" in parts.netloc:
        return "must not hold a user name or password"
    if parts.fragment or parts.query or "#" in url or "?" in url:
        return "must not have a query or a fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return "must begin with https://, because the API key would travel in the open"
    return None


def _plain_url(url: str) -> str:
    """Drop a slash at the end: with it and without, a plan is for the same target."""
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _missing(problem: UnreadableFile) -> UnreadableFile:
    if problem.code not in {"unreadable", "missing-file"}:
        return problem
    hint = "`reconcile init` writes one; --dir names another folder"
    return UnreadableFile("missing-config", problem.summary, hint)


def _check(tree: Any, document: Sourced, problems: ProblemCollector) -> None:
    bad: set[Steps] = set()

    def report(code: str, summary: str, hint: str, steps: Steps) -> None:
        bad.add(steps)
        hide = code != "reference-forbidden"
        problems.error(code, summary, document.origin_of(steps), hint=hint, hide=hide)

    if isinstance(tree, dict):
        targets = tree.get("targets")
        for name, target in targets.items() if isinstance(targets, dict) else ():
            if isinstance(target, dict):
                _bind_key(target, ("targets", name), report)
                _check_target(name, target, document, problems)
        bind_references(tree, compiled(ConfigFile), report)
        _check_names(tree, document, problems)
    check_model(
        ConfigFile,
        tree,
        schema=compiled(ConfigFile),
        document=document,
        problems=problems,
        known_bad=bad,
        what=CONFIG_FILE,
    )


def _bind_key(target: dict[str, Any], steps: Steps, report: Any) -> None:
    text, at = target.get("api_key"), (*steps, "api_key")
    if not isinstance(text, str):
        return
    ref = parse_reference(text)
    if ref is None:
        target["api_key"] = Redacted(text)
        summary = "`api_key` is a secret and must be a reference; the value is not shown"
        report("literal-secret", summary, _KEY_HINT, at)
        return
    target["api_key"] = ref
    if ref.scheme == "file" or (ref.scheme == "env" and not ref.locator.startswith("PORTKEY_")):
        summary = f"`{ref}` cannot be the key of a target"
        report("reference-forbidden", summary, _KEY_HINT, at)


def _check_target(
    name: str, target: dict[str, Any], document: Sourced, problems: ProblemCollector
) -> None:
    here = document.origin_of(("targets", name))
    if "name" in target:
        summary = "`name` is not a field of a target"
        problems.error("unknown-field", summary, here.at("name"), key=True)
    url = target.get("base_url")
    if isinstance(url, str):
        problem = base_url_problem(url)
        if problem is not None:
            where, may_hold_a_secret = here.at("base_url"), any(c in url for c in "@?#")
            problems.error(
                "invalid-base-url",
                f"`base_url` {problem}",
                where,
                hint=_URL_HINT,
                hide=may_hold_a_secret,
            )
        elif url != "simulator:" and target.get("api_key") is None:
            summary = f"target `{name}` needs `api_key`"
            problems.error("missing-field", summary, here, hint=_KEY_HINT, key=True)
    _check_known_fields(target.get("known_fields"), here.at("known_fields"), problems)
    environment = target.get("environment")
    if isinstance(environment, str) and not _is_folder_name(environment):
        summary = "`environment` must be the name of a folder in environments/"
        problems.error("invalid-value", summary, here.at("environment"))


def _check_known_fields(known: Any, here: SourceOrigin, problems: ProblemCollector) -> None:
    """Refuse to treat a field as plain whose name speaks of a secret."""
    for provider, names in known.items() if isinstance(known, dict) else ():
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and SECRET_NAME.search(name):
                summary = "a field whose name speaks of a secret cannot be listed in `known_fields`"
                hint = "remove it; its value stays hidden, and it may hold a reference"
                problems.error("invalid-value", summary, here.at(provider, index), hint=hint)


def _is_folder_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and PurePosixPath(name).name == name


def _check_names(tree: dict[str, Any], document: Sourced, problems: ProblemCollector) -> None:
    targets, default = tree.get("targets"), tree.get("default_target")
    if isinstance(targets, dict) and not targets:
        hint = 'add one, such as `simulator: {base_url: "simulator:"}`'
        where = document.origin_of(("targets",))
        problems.error("missing-field", "`targets` is empty", where, hint=hint)
    if isinstance(targets, dict) and isinstance(default, str) and default not in targets:
        origin = document.origin_of(("default_target",))
        hint = did_you_mean(default, targets) or one_of(sorted(targets))
        problems.error("unknown-target", f"there is no target `{default}`", origin, hint=hint)
    deletions = tree.get("deletions")
    for index, entry in enumerate(deletions if isinstance(deletions, list) else ()):
        slug = entry.get("slug") if isinstance(entry, dict) else None
        if isinstance(slug, str) and SLUG.fullmatch(slug) is None:
            origin = document.origin_of(("deletions", index, "slug"))
            problems.error("invalid-value", "`slug` must be letters, digits, `_` or `-`", origin)


def _build(tree: dict[str, Any]) -> Config:
    checked = ConfigFile.model_validate(tree)
    targets = {
        name: target.model_copy(update={"name": name, "base_url": _plain_url(target.base_url)})
        for name, target in checked.targets.items()
    }
    return Config(
        checked.default_target,
        MappingProxyType(targets),
        MappingProxyType({t.slug: t for t in checked.deletions or ()}),
    )
