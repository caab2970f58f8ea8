"""Rules for `probe` and `rotation` of a target in reconcile.yaml.

The types are those of `reconciler.domain.policy`, which are checked elsewhere; a value of another
type has no rules here. Whether the environment allows a command is checked when it is used.
"""

import re
from collections.abc import Callable

from reconciler.desired.problem_collector import ProblemCollector, SourceOrigin
from reconciler.desired.references import is_forbidden
from reconciler.domain.secrets import SecretRef
from reconciler.domain.tree import Tree, Value

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_probe(
    target: Tree,
    here: SourceOrigin,
    problems: ProblemCollector,
    *,
    problem_of_url: Callable[[str], str | None],
) -> None:
    """Report the mistakes in the probe and the rotation of one target.

    `problem_of_url` returns what is wrong with a base URL, worded to follow its name.
    """
    probe = target.get("probe")
    _check_rotation(target.get("rotation"), probe, here.at("rotation"), problems)
    if not isinstance(probe, dict):
        return
    at = here.at("probe")
    kinds = [name for name in ("command", "gateway") if probe.get(name) is not None]
    if len(kinds) != 1:
        summary = "`probe` has both `command` and `gateway`" if kinds else "`probe` has no command"
        hint = "write `command: [PROGRAM, …]` or `gateway: {api_key: …}`, and not both"
        code = "invalid-value" if kinds else "missing-field"
        problems.error(code, summary, at, hint=hint, key=True)
    _check_command(probe.get("command"), at.at("command"), problems)
    _check_variables(probe.get("variables"), at.at("variables"), problems)
    gateway = probe.get("gateway")
    if isinstance(gateway, dict):
        url = gateway.get("base_url")
        wrong = problem_of_url(url) if isinstance(url, str) else None
        _check_gateway(gateway, target.get("base_url"), at.at("gateway"), problems, wrong)
    if probe.get("workspace") == "":
        hint = "write the id of a workspace, or remove it"
        problems.error("invalid-value", "`workspace` is empty", at.at("workspace"), hint=hint)


def _check_rotation(
    rotation: Value, probe: Value, here: SourceOrigin, problems: ProblemCollector
) -> None:
    if not isinstance(rotation, dict) or rotation.get("staged") is not True:
        return
    if not isinstance(probe, dict):
        if probe is None:
            # A shadow that nothing probes proves nothing.
            summary = "`staged` needs a `probe` of the target"
            hint = "add `probe: {command: [PROGRAM, …]}` to the target, or remove `staged`"
            problems.error("missing-field", summary, here.at("staged"), hint=hint)
    elif probe.get("gateway") is not None and not probe.get("workspace"):
        # In any other workspace, the shadow has no provider.
        summary = "`staged` with a gateway probe needs `workspace` in `probe`"
        hint = "add `workspace: ID` to `probe`: that of the gateway's key"
        problems.error("missing-field", summary, here.at("staged"), hint=hint)


def _check_command(command: Value, here: SourceOrigin, problems: ProblemCollector) -> None:
    if not isinstance(command, list):
        return
    if not command:
        hint = "write the program and its arguments, such as `[/opt/probes/alive]`"
        problems.error("invalid-value", "`command` is empty", here, hint=hint)
    for index, word in enumerate(command):
        if isinstance(word, str) and (not word or "\0" in word):
            summary = "a word of `command` is empty or has a NUL character"
            problems.error("invalid-value", summary, here.at(index), hint="remove the word")
    program = command[0] if command else None
    # The files of a checkout may be those of a pull request.
    if isinstance(program, str) and "/" in program and not program.startswith("/"):
        summary = "the program of a probe cannot be a relative path"
        hint = "write an absolute path, or the name of a program on PATH"
        problems.error("invalid-value", summary, here.at(0), hint=hint)


def _check_variables(names: Value, here: SourceOrigin, problems: ProblemCollector) -> None:
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if not isinstance(name, str):
            continue
        if not _VARIABLE.fullmatch(name):
            hint = "write names such as SECRET_PROBE_KEY"
            summary = "`variables` contains an invalid variable name"
            problems.error("invalid-value", summary, here.at(index), hint=hint, hide=True)
        elif is_forbidden(SecretRef("env", name)):
            summary = f"the variable {name} is reserved and cannot be passed to a probe"
            hint = "use a variable SECRET_…"
            problems.error("reference-forbidden", summary, here.at(index), hint=hint)


def _check_gateway(
    gateway: Tree,
    target_url: Value,
    here: SourceOrigin,
    problems: ProblemCollector,
    problem: str | None,
) -> None:
    url = gateway.get("base_url")
    if problem is not None:
        hint = "write a URL such as https://api.portkey.ai/v1, or remove it"
        problems.error(
            "invalid-base-url",
            f"`base_url` of the gateway {problem}",
            here.at("base_url"),
            hint=hint,
            hide=True,  # the URL may contain a secret
        )
    used = url if isinstance(url, str) else target_url
    if used != "simulator:" and gateway.get("api_key") is None:
        summary = "the gateway of a probe needs `api_key`"
        hint = "write `api_key: ${env:PORTKEY_GATEWAY_KEY}` or name a secret manager"
        problems.error("missing-field", summary, here, hint=hint, key=True)
