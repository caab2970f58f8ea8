"""Rules for `policies` of reconcile.yaml, of the file and of its targets.

The types are those of `reconciler.domain.policy`, which are checked elsewhere; a value of another
type has no rules here. Whether this environment allows a command: `reconciler.policies.allowlist`.
"""

import re
from pathlib import PurePosixPath

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.source import FileSource, UnreadableFile
from reconciler.diagnostics import SourceLocation
from reconciler.domain.tree import Tree, Value

MAX_POLICIES = 20
"""Maximum number of policies of a target; each policy starts a program for each plan."""

_CONFIG_FILE = "reconcile.yaml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COMMAND_HINT = "write the program and its arguments, such as `[conftest, test, --output, json, -]`"
_FILES_HINT = "write a path below the desired-state folder, such as `policies`"


def check_policies(tree: Tree, document: Sourced, problems: ProblemCollector) -> None:
    """Report the mistakes in the policies of the file and of each target."""
    shared = document.origin_of(("policies",))
    names = _check(tree.get("policies"), shared, problems, taken=frozenset())
    targets = tree.get("targets")
    for name, target in targets.items() if isinstance(targets, dict) else ():
        if isinstance(target, dict) and "policies" in target:
            here = document.origin_of(("targets", name, "policies"))
            _check(target["policies"], here, problems, taken=names)


def policy_location(source: FileSource, target: str, name: str) -> SourceLocation | None:
    """Return where reconcile.yaml declares a policy of a target; None if it does not."""
    from reconciler.desired.yaml_reader import read_yaml

    try:
        parsed = read_yaml(source.read(_CONFIG_FILE))
    except UnreadableFile:
        return None  # it was read before, so it has changed since
    tree = parsed.documents[0].value if parsed.documents else None
    for steps in (("policies",), ("targets", target, "policies")):
        found: Value | object = tree
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
        for index, policy in enumerate(found if isinstance(found, list) else ()):
            if isinstance(policy, dict) and str(policy.get("name")) == name:
                path: Steps = (*steps, index, "name")
                origin = SourceOrigin(_CONFIG_FILE, path=path)
                return ProblemCollector(source).location_of(origin)
    return None


def _check(
    policies: Value, here: SourceOrigin, problems: ProblemCollector, *, taken: frozenset[str]
) -> frozenset[str]:
    """Check a list of policies; return the names that are taken after it."""
    if not isinstance(policies, list):
        return taken
    if len(policies) > MAX_POLICIES:
        hint = "combine some of them: one program can check many rules"
        summary = f"`policies` has more than {MAX_POLICIES} entries"
        problems.error("invalid-value", summary, here, hint=hint)
        return taken
    names = set(taken)
    for index, policy in enumerate(policies):
        if not isinstance(policy, dict):
            continue
        at = here.at(index)
        name = policy.get("name")
        if isinstance(name, str):
            _check_name(name, at.at("name"), problems, taken=names)
            names.add(name)
        _check_command(policy.get("command"), at.at("command"), problems)
        _check_files(policy.get("files"), at.at("files"), problems)
    return frozenset(names)


def _check_name(
    name: str, here: SourceOrigin, problems: ProblemCollector, *, taken: set[str]
) -> None:
    if _NAME.fullmatch(name) is None:
        hint = "use at most 64 letters, digits, `.`, `_` and `-`, such as `no-global-access`"
        problems.error("invalid-value", "`name` is not the name of a policy", here, hint=hint)
    elif name in taken:
        hint = "rename one of them; a target also has the policies of the whole file"
        problems.error("invalid-value", f"two policies have the name `{name}`", here, hint=hint)


def _check_command(command: Value, here: SourceOrigin, problems: ProblemCollector) -> None:
    if not isinstance(command, list):
        return
    if not command or command[0] == "":
        problems.error("invalid-value", "`command` names no program", here, hint=_COMMAND_HINT)
    for index, word in enumerate(command):
        if isinstance(word, str) and not word.isprintable():
            summary = "`command` contains a control character"
            problems.error("invalid-value", summary, here.at(index), hint=_COMMAND_HINT)


def _check_files(files: Value, here: SourceOrigin, problems: ProblemCollector) -> None:
    for index, path in enumerate(files if isinstance(files, list) else ()):
        if isinstance(path, str) and not is_inner_path(path):
            summary = "`files` can only list paths inside the desired-state folder"
            problems.error("invalid-value", summary, here.at(index), hint=_FILES_HINT)


def is_inner_path(path: str) -> bool:
    """Return whether a text is a relative path that stays in its folder and names a part of it."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and path.isprintable()
