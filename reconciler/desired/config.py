"""Read reconcile.yaml: targets, scopes, limits and deletions.

The schema is `reconciler.domain.policy`; the mistakes are reported here. The API key is a
reference, which is never resolved here.
"""

import ipaddress
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import field
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.references import ReportError, bind_references, parse_reference
from reconciler.desired.source import DirectorySource, FileSource, UnreadableFile
from reconciler.desired.suggestions import did_you_mean, nearest, one_of, valid_slug
from reconciler.desired.validate import report_errors, schema_at
from reconciler.desired.yaml_values import apply_types, is_too_precise
from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.facts import SECRET_NAME
from reconciler.domain.identifiers import SLUG
from reconciler.domain.model import Field
from reconciler.domain.policy import (
    PERCENTAGE,
    PinnedCatalogue,
    PolicyCommand,
    StrictSettings,
    Target,
    Tombstone,
)
from reconciler.domain.schema import compiled
from reconciler.domain.secrets import Redacted
from reconciler.domain.tree import Tree, Value
from reconciler.domain.valid_values import built, errors_in
from reconciler.frozen_dataclass import dataclass

CONFIG_FILE = "reconcile.yaml"

_KEY_HINT = "write `api_key: ${env:PORTKEY_API_KEY}` or name a secret manager"
# Part of a path below environments/: no slash and no leading dot, so that it cannot be `..`.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ConfigFile(StrictSettings):
    """The schema of reconcile.yaml."""

    version: Literal[1] = Field(description="Version of this file's format.")
    default_target: str | None = Field(None, description="Target used without --target.")
    targets: dict[str, Target] = Field(
        description="Targets, by name; each is one organisation at one URL."
    )
    providers: tuple[str, ...] | None = Field(
        None, description="Providers that this release does not know, to accept without a warning."
    )
    deletions: tuple[Tombstone, ...] | None = Field(
        None, description="Slugs that must not exist, regardless of `prune`."
    )
    policies: tuple[PolicyCommand, ...] | None = Field(
        None, description="Programs that check the plans of all targets before they are applied."
    )
    catalogue: PinnedCatalogue | None = Field(
        None, description="Catalogue of models and their retirement dates."
    )
    differs: tuple[str | dict[str, str], ...] | None = Field(
        None, description="Fields that may differ between environments, such as `openai-*: key`."
    )


_RATIOS = {
    "delete_ratio": "write `0.3` or `30%` for 30 percent",
    "budget_increase": "write `0.5` or `50%` for 50 percent, or a larger percentage, as `200%`",
}
"""Hints for the limits that are ratios."""


@dataclass(frozen=True, slots=True)
class Config:
    """The content of reconcile.yaml."""

    default_target: str | None
    targets: Mapping[str, Target]
    tombstones: Mapping[str, Tombstone] = field(default_factory=lambda: MappingProxyType({}))
    providers: tuple[str, ...] = ()
    catalogue: PinnedCatalogue | None = None
    differs: tuple[str, ...] = ()


def read_config(source: FileSource, problems: ProblemCollector) -> Config | None:
    """Return the configuration of a source; None, after reports, if it has a problem."""
    try:
        data = source.read(CONFIG_FILE)
    except UnreadableFile as problem:
        problems.add_unreadable(CONFIG_FILE, _missing(problem, source))
        return None
    before = len(problems.diagnostics)
    documents = problems.read_documents(CONFIG_FILE, data)
    if documents is None:
        return None
    value = documents[0].value if documents else {}
    document = Sourced({} if value is None else value, SourceOrigin(CONFIG_FILE))
    if len(documents) > 1:
        second = SourceOrigin(CONFIG_FILE, documents[1].index)
        hint = "remove the line `---` and everything after it"
        problems.error(
            "wrong-type", f"{CONFIG_FILE} must contain exactly one document", second, hint=hint
        )
    tree = apply_types(document.value, compiled(ConfigFile))
    _check(tree, document, problems)
    # A fault that is not fatal, such as a duplicate key, is also a problem.
    if len(problems.diagnostics) > before:
        return None
    config = _build(tree)
    problems.accepted_providers = config.providers
    return config


def choose_target(config: Config, name: str | None) -> tuple[Target | None, tuple[Diagnostic, ...]]:
    """Return the named or default target; report an error and return None if there is none."""
    chosen = name or config.default_target
    if chosen is None:
        hint = "use --target with " + one_of(sorted(config.targets))
        summary = f"no target is chosen, and {CONFIG_FILE} has no default_target"
        return None, (error("no-target", summary, hint=hint),)
    target = config.targets.get(chosen)
    if target is None:
        hint = did_you_mean(chosen, config.targets) or one_of(sorted(config.targets))
        summary = f"{CONFIG_FILE} has no target `{chosen}`"
        return None, (error("unknown-target", summary, hint=hint),)
    return target, ()


def override_base_url(target: Target, url: str) -> tuple[Target | None, tuple[Diagnostic, ...]]:
    """Return a target with another base URL; a simulator target keeps its own."""
    if target.is_simulator:
        return target, ()
    # `base_url_problem` accepts `simulator:`, which only the file may choose.
    problem = base_url_problem(url)
    if problem is not None or url.startswith("simulator:"):
        summary = f"PORTKEY_BASE_URL {problem or 'must begin with https://'}"
        return None, (error("invalid-base-url", summary, hint=_URL_HINT),)
    return target.model_copy(update={"base_url": _plain_url(url)}), ()


_URL_HINT = "write a URL such as https://api.portkey.ai/v1; http:// is for loopback only"


def base_url_problem(url: str) -> str | None:
    """Return what is wrong with a base URL, worded to follow its name; never the URL itself."""
    if url == "simulator:":
        return None
    return url_problem(url, risk="the API key would be sent unencrypted")


def url_problem(url: str, *, risk: str, allows_query: bool = False) -> str | None:
    """Return what is wrong with a URL, worded to follow its name; the URL may contain a token.

    `risk` is what could happen without encryption.
    """
    # Checked in the text itself, because urlsplit silently removes tabs and line breaks.
    if any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
        return "must not contain spaces, backslashes or control characters"
    try:
        parts = urlsplit(url)
        # `port` is parsed on access, and raises ValueError for anything but a number up to 65535.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"https", "http"} or not host:
        return "must begin with https:// and a host name"
    if "@" in parts.netloc:
        return "must not contain a user name or password"
    # An empty query or fragment, as in `https://host/?`, leaves no trace in `parts`.
    if "#" in url or ("?" in url and not allows_query):
        return "must not have a fragment" if allows_query else "must not have a query or a fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return f"must begin with https://, or {risk}"
    return None


def _plain_url(url: str) -> str:
    """Remove trailing slashes, so that a plan is for the same target with or without them."""
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _missing(problem: UnreadableFile, source: FileSource) -> UnreadableFile:
    """Return the error for a file that is missing, or keep the reason why it cannot be read."""
    if problem.code not in {"unreadable", "missing-file"}:
        return problem
    if source.has_file(CONFIG_FILE):
        return UnreadableFile("missing-config", problem.summary, problem.hint)
    hint = "set --dir to a folder with this file, or create it with `reconcile --dir DIR init`"
    folder = _folder_above(source)
    if folder is not None:
        hint = f"use `--dir {shlex.quote(folder)}`, which has this file"
    return UnreadableFile("missing-config", problem.summary, hint)


def _folder_above(source: FileSource) -> str | None:
    """Return the folder with the configuration if the command was started in it or below it."""
    if not isinstance(source, DirectorySource):
        return None
    # Lexically, because `desired-state` does not exist within `desired-state`.
    folders = [os.path.normpath(source.directory / up) for up in ("..", "../..")]
    return next((folder for folder in folders if Path(folder, CONFIG_FILE).is_file()), None)


def _check(tree: object, document: Sourced, problems: ProblemCollector) -> None:
    reported: set[Steps] = set()

    def report(code: str, summary: str, hint: str, steps: Steps) -> None:
        # An unknown field is reported as such, and no rules apply to its value.
        if not schema_at(compiled(ConfigFile), steps).is_known:
            return
        reported.add(steps)
        # The excerpt shows the value: a forbidden reference is only a name, any other value may be
        # the key itself.
        hide = code != "reference-forbidden"
        problems.error(code, summary, document.origin_of(steps), hint=hint, hide=hide)

    if isinstance(tree, dict):
        targets = tree.get("targets")
        for name, target in targets.items() if isinstance(targets, dict) else ():
            if isinstance(target, dict):
                # Before all other references, because the rules of API keys are the reverse of
                # those of integrations.
                _bind_key(target, ("targets", name), report)
                probe = target.get("probe")
                gateway = probe.get("gateway") if isinstance(probe, dict) else None
                if isinstance(gateway, dict):
                    _bind_key(gateway, ("targets", name, "probe", "gateway"), report)
                _check_target(name, target, document, problems)
                _check_ratios(target.get("limits"), ("targets", name, "limits"), report)
        bind_references(tree, compiled(ConfigFile), report)
        _check_catalogue(tree.get("catalogue"), document.origin_of(("catalogue",)), problems)
        _check_names(tree, document, problems)
        _check_policies(tree, document, problems)
        _check_promotion(tree, document, problems, reported)
    errors = errors_in(ConfigFile, tree)
    if errors:
        report_errors(
            errors,
            tree,
            schema=compiled(ConfigFile),
            document=document,
            problems=problems,
            known_bad=reported,
            what=CONFIG_FILE,
        )


def _bind_key(target: dict[str, Value], steps: Steps, report: ReportError) -> None:
    text, at = target.get("api_key"), (*steps, "api_key")
    if not isinstance(text, str):
        return
    ref = parse_reference(text)
    if ref is None:
        # Wrapped at once, so that nothing that follows can show it.
        target["api_key"] = Redacted(text)
        summary = "`api_key` is a secret and must be a reference; the value is not shown"
        report("literal-secret", summary, _KEY_HINT, at)
        return
    target["api_key"] = ref
    # The reverse of `references.is_forbidden`: the prefix PORTKEY_ is reserved for API keys.
    if ref.scheme == "file" or (ref.scheme == "env" and not ref.locator.startswith("PORTKEY_")):
        summary = f"`{ref}` cannot be the API key of a target"
        report("reference-forbidden", summary, _KEY_HINT, at)


def _check_target(name: str, target: Tree, document: Sourced, problems: ProblemCollector) -> None:
    here = document.origin_of(("targets", name))
    # The loader fills this field from the key, so the model would accept it in the file.
    if "name" in target:
        summary = "`name` is not a field of a target"
        hint = "remove it; the name of a target is its key in `targets`"
        problems.error("unknown-field", summary, here.at("name"), hint=hint, key=True)
    # The model would also accept this field.
    if "soaks" in target:
        summary, hint = "`soaks` is not a field of a target", "remove it"
        problems.error("unknown-field", summary, here.at("soaks"), hint=hint, key=True)
    url = target.get("base_url")
    if isinstance(url, str):
        problem = base_url_problem(url)
        if problem is not None:
            problems.error(
                "invalid-base-url",
                f"`base_url` {problem}",
                here.at("base_url"),
                hint='write "simulator:"' if url == "simulator" else _URL_HINT,
                hide=any(c in url for c in "@?#"),  # the URL may contain a secret
            )
        # A misspelt field is reported as unknown, and a second message would only repeat it.
        elif url != "simulator:" and target.get("api_key") is None and not _misspells_key(target):
            summary = f"target `{name}` needs `api_key`"
            problems.error("missing-field", summary, here, hint=_KEY_HINT, key=True)
    _check_known_fields(target.get("known_fields"), here.at("known_fields"), problems)
    if "windows" in target or "freeze" in target:
        # Imported late, because few targets have them and zones are slow to load.
        from reconciler.desired.change_window_rules import check_change_times

        check_change_times(target, here, problems)
    if "probe" in target or "rotation" in target:
        # Imported late, because few targets have one.
        from reconciler.desired.probe_rules import check_probe

        check_probe(target, here, problems, problem_of_url=base_url_problem)
    environment = target.get("environment")
    if isinstance(environment, str) and not _is_folder_name(environment):
        summary = "`environment` must be the name of a folder in environments/"
        hint = "use letters, digits, `.`, `_` and `-`"
        problems.error("invalid-value", summary, here.at("environment"), hint=hint)


def _check_ratios(limits: Value, steps: Steps, report: ReportError) -> None:
    """Refuse a ratio above 1 that is not a percentage: 50 usually means 50 %, not 5,000 %."""
    for name, hint in _RATIOS.items():
        ratio, problem = limits.get(name) if isinstance(limits, dict) else None, ""
        if isinstance(ratio, str) and is_too_precise(ratio):
            problem = "has more digits than can be stored"
        elif isinstance(ratio, str) and PERCENTAGE.fullmatch(ratio) is None:
            problem = "must be a ratio from 0 to 1, or a percentage"
        elif isinstance(ratio, int | float | Decimal) and ratio > 1:
            problem = "is above 1, which means 100 percent"
        if problem:
            report("invalid-value", f"`{name}` {problem}", hint, (*steps, name))


def _check_policies(tree: Tree, document: Sourced, problems: ProblemCollector) -> None:
    targets = tree.get("targets")
    in_targets = targets.values() if isinstance(targets, dict) else ()
    if "policies" in tree or any(isinstance(t, dict) and "policies" in t for t in in_targets):
        # Imported late, because few files have policies.
        from reconciler.desired.policy_rules import check_policies

        check_policies(tree, document, problems)


def _check_promotion(
    tree: Tree, document: Sourced, problems: ProblemCollector, reported: set[Steps]
) -> None:
    targets = tree.get("targets")
    in_targets = targets.values() if isinstance(targets, dict) else ()
    if "differs" in tree or any(isinstance(t, dict) and "promotion" in t for t in in_targets):
        # Imported late, because few files have either.
        from reconciler.desired.promotion_rules import check_differs, check_promotions

        check_differs(tree, document, problems, reported)
        check_promotions(tree, document, problems)


def _misspells_key(target: Tree) -> bool:
    """Return whether an unknown field was most likely meant as the API key."""
    known = Target.model_fields
    return any(name not in known and nearest(name, known) == "api_key" for name in target)


def _check_known_fields(known: Value, here: SourceOrigin, problems: ProblemCollector) -> None:
    """Refuse to treat a field as plain if its name is that of a secret."""
    for provider, names in known.items() if isinstance(known, dict) else ():
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and SECRET_NAME.search(name):
                summary = "`known_fields` cannot list a field with the name of a secret"
                hint = "remove it; the field stays hidden, and can hold a reference"
                problems.error("invalid-value", summary, here.at(provider, index), hint=hint)


def _check_catalogue(catalogue: Value, here: SourceOrigin, problems: ProblemCollector) -> None:
    """Refuse a path that points outside the folder of the files."""
    file = catalogue.get("file") if isinstance(catalogue, dict) else None
    if isinstance(file, str) and not is_catalogue_path(file):
        summary = "`file` must be the path of a JSON file in the folder of reconcile.yaml"
        hint = "write a path such as `catalogue.json`, without `..` and without a leading `/`"
        problems.error("invalid-value", summary, here.at("file"), hint=hint)


def is_catalogue_path(path: str) -> bool:
    """Return whether a path names a JSON file below the folder of the files."""
    parts = path.split("/")
    return path.endswith(".json") and all(_NAME.fullmatch(part) for part in parts)


def _is_folder_name(name: str) -> bool:
    # The second condition refuses `..` even if the pattern allowed it.
    return _NAME.fullmatch(name) is not None and PurePosixPath(name).name == name


def _check_names(tree: Tree, document: Sourced, problems: ProblemCollector) -> None:
    targets, default = tree.get("targets"), tree.get("default_target")
    if isinstance(targets, dict) and not targets:
        hint = 'add one, such as `simulator: {base_url: "simulator:"}`'
        where = document.origin_of(("targets",))
        problems.error("missing-field", "`targets` is empty", where, hint=hint)
    if isinstance(targets, dict) and isinstance(default, str) and default not in targets:
        origin = document.origin_of(("default_target",))
        hint = did_you_mean(default, targets) or one_of(sorted(targets))
        problems.error("unknown-target", f"`targets` has no target `{default}`", origin, hint=hint)
    deletions = tree.get("deletions")
    for index, entry in enumerate(deletions if isinstance(deletions, list) else ()):
        slug = entry.get("slug") if isinstance(entry, dict) else None
        if isinstance(slug, str) and SLUG.fullmatch(slug) is None:
            origin = document.origin_of(("deletions", index, "slug"))
            summary = "`slug` must be letters, digits, `_` or `-`"
            problems.error("invalid-value", summary, origin, hint=valid_slug(slug))


def _build(tree: Tree) -> Config:
    checked = built(ConfigFile, tree)
    targets = {}
    of_file = checked.policies or ()
    sources = {t.promotion.source for t in checked.targets.values() if t.promotion is not None}
    for name, target in checked.targets.items():
        found = {"name": name, "base_url": _plain_url(target.base_url), "soaks": name in sources}
        # A target adds policies to those of the file, and cannot drop one of them.
        policies = {"policies": (*of_file, *target.policies)}
        targets[name] = target.model_copy(update=found | policies)
    return Config(
        checked.default_target,
        MappingProxyType(targets),
        MappingProxyType({t.slug: t for t in checked.deletions or ()}),
        checked.providers or (),
        checked.catalogue,
        _entries_of(checked.differs or ()),
    )


def _entries_of(differs: Iterable[str | dict[str, str]]) -> tuple[str, ...]:
    """Return the entries of `differs` as text; YAML reads `- a-*: key` as a mapping."""
    found: list[str] = []
    for entry in differs:
        if isinstance(entry, str):
            found.append(entry)
        else:
            found += [f"{slugs}: {path}" for slugs, path in entry.items()]
    return tuple(found)
