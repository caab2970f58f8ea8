"""Policies: programs that judge a plan, what they block, and which approvals stay valid."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.project import FIRST, Here, writes
from tests.end_to_end.harness import Done

PASSED = "exit 0"
DENIED = "echo 'alpha must not exist'; exit 1"
CANARY = "sk-canary-5f1e9d7c3b2a4860"


class Judged(Here):
    """Project with one integration to create, and a policy that is a shell script."""

    def __init__(self, folder: Path, script: str = PASSED, **policy: Any) -> None:
        super().__init__(folder)
        self.judge = folder / "bin" / "judge"
        self.rule(script)
        self.integration("alpha")
        self.policies({"name": "rule", "command": [str(self.judge)], **policy})
        self.environment["RECONCILE_ALLOWED_POLICIES"] = str(self.judge)

    def policies(self, *policies: Any) -> None:
        """Declare these policies of the target."""
        self.config(policies=list(policies))

    def rule(self, script: str, path: Path | None = None) -> Path:
        """Write a program."""
        path = path or self.judge
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path


def verdicts(plan: Any) -> dict[str, str]:
    return {policy["name"]: policy["verdict"] for policy in plan["policies"]}


def codes(plan: Any) -> set[str]:
    return {d["code"] for d in plan["diagnostics"] if d["severity"] == "error"}


def refused(done: Done, code: str) -> None:
    """Check that an apply wrote nothing because of a code."""
    assert (done.code, writes(done)) == (4, []), done.err
    assert f"error[{code}]" in done.err


def test_a_passed_policy_is_recorded_in_plan_result_and_ledger(tmp_path: Path) -> None:
    project = Judged(tmp_path, "cat > /dev/null")
    plan = project.plan()
    [policy] = plan["policies"]
    assert (policy["name"], policy["verdict"], policy["findings"]) == ("rule", "passed", [])
    assert policy["digest"].startswith("sha256:")
    done = project.run("apply", "--yes", "--format", "json")
    assert done.code == 0, done.err
    assert done.json["policies"] == plan["policies"]
    assert done.json["plan_digest"] == plan["digest"]
    [run] = project.run("history", "--format", "json").json["runs"]
    assert run["policies"] == [
        {"name": "rule", "digest": policy["digest"], "verdict": "passed"},
    ]
    assert "Policies: rule passed." in project.run("history", run["run"]).out


def test_a_denial_blocks_the_action_that_it_names(tmp_path: Path) -> None:
    project = Judged(tmp_path, DENIED)
    project.integration("beta")
    plan = project.plan()
    blocked = {action["slug"]: action["blocked_by"] for action in plan["actions"]}
    assert blocked == {"alpha": ["policy"], "beta": []}
    [found] = [d for d in plan["diagnostics"] if d["code"] == "policy"]
    assert found["summary"] == "policy rule: alpha must not exist"
    assert found["file"].endswith("integrations/alpha.yaml")
    assert found["line"] >= 1
    refused(project.run("-vv", "apply", "--yes"), "policy")
    assert project.slugs() == []
    # Judged again without the action: the rule of this script denies every plan.
    refused(project.run("-vv", "apply", "--yes", "--exclude", "alpha"), "policy")


def test_a_denial_that_names_no_action_blocks_all_actions(tmp_path: Path) -> None:
    project = Judged(tmp_path, "echo 'too much at once'; exit 1")
    project.integration("beta")
    plan = project.plan()
    assert [action["blocked_by"] for action in plan["actions"]] == [["policy"], ["policy"]]
    refused(project.run("-vv", "apply", "--yes"), "policy")


@pytest.mark.parametrize(
    ("script", "allowed", "is_about_all"),
    [
        (DENIED, "{judge}", False),
        ("echo 'too much at once'; exit 1", "{judge}", True),
        ("kill -9 $$", "{judge}", True),
        (PASSED, "", True),
    ],
)
def test_excluding_an_integration_is_suggested_only_where_it_helps(
    tmp_path: Path, script: str, allowed: str, *, is_about_all: bool
) -> None:
    project = Judged(tmp_path, script)
    variables = {"RECONCILE_ALLOWED_POLICIES": allowed.format(judge=project.judge)}
    for command in (("plan",), ("plan", "--format", "markdown"), ("drift",)):
        shown = " ".join(project.run(*command, **variables).out.split())
        assert ("--exclude SLUG" not in shown) == is_about_all
        assert ("Nothing is applied while a policy blocks the whole plan" in shown) == is_about_all


def test_conftest_results_deny_and_warn_by_metadata(tmp_path: Path) -> None:
    results = [
        {
            "filename": "",
            "namespace": "main",
            "successes": 1,
            "warnings": [{"msg": "no description", "metadata": {"slug": "beta"}}],
            "failures": [{"msg": "not on a Friday", "metadata": {"slug": "alpha"}}],
        }
    ]
    project = Judged(tmp_path, f"cat <<'END'\n{json.dumps(results)}\nEND\nexit 1")
    project.integration("beta")
    plan = project.plan()
    blocked = {action["slug"]: action["blocked_by"] for action in plan["actions"]}
    assert blocked == {"alpha": ["policy"], "beta": []}
    shown = {(d["severity"], d["summary"]) for d in plan["diagnostics"] if d["code"] == "policy"}
    assert shown == {
        ("error", "policy rule: alpha: not on a Friday"),
        ("warning", "policy rule: beta: no description"),
    }


def test_a_warning_stops_nothing(tmp_path: Path) -> None:
    results = [{"successes": 0, "warnings": [{"msg": "alpha has no description"}]}]
    project = Judged(tmp_path, f"echo '{json.dumps(results)}'")
    assert verdicts(project.plan()) == {"rule": "warned"}
    assert "warning[policy]: policy rule: alpha has no description" in project.run("plan").out
    project.apply()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo ok", "a text that is not the JSON of conftest"),
        ("echo '{}'", "JSON that is not a list of results"),
        ("echo '[]'", "checked no rule"),
        ("echo '[1]'", "values that are not results"),
        ('echo \'[{"namespace": "other", "successes": 0}]\'', "checked no rule"),
        ("echo '[{\"failures\": [{}]}]'", "without `msg`"),
        ("exit 3", "ended with status 3 and no answer"),
        ("echo broken >&2; exit 1", "ended with status 1 and no answer: broken"),
        ("echo denied; exit 127", "ended with status 127"),
        ("kill -9 $$", "was killed by signal 9"),
        ("printf '\\377'", "wrote output that is not UTF-8"),
        ("yes | head -c 2000000", "wrote more than 1 MiB to stdout"),
        ("yes >&2", "wrote more than 1 MiB to stderr"),
        pytest.param("sleep 60 & exit 0", "left a process running", marks=pytest.mark.slow),
        ("sleep 60", "did not finish within 0.2 s"),
    ],
)
def test_a_policy_without_an_answer_blocks_the_plan(
    tmp_path: Path, script: str, reason: str
) -> None:
    project = Judged(tmp_path, script, timeout_seconds=0.2 if script == "sleep 60" else 20)
    plan = project.plan()
    assert verdicts(plan) == {"rule": "failed"}
    assert [action["blocked_by"] for action in plan["actions"]] == [["policy-failed"]]
    [found] = [d for d in plan["diagnostics"] if d["code"] == "policy-failed"]
    assert reason in found["summary"]
    assert (found["file"], found["hint"] != "") == ("desired-state/reconcile.yaml", True)
    refused(project.run("-vv", "apply", "--yes"), "policy-failed")


def test_a_command_outside_the_allow_list_is_not_run(tmp_path: Path) -> None:
    project = Judged(tmp_path, f": > {tmp_path}/was-run")
    allowed = ("", "other", f"{project.judge} --more", "judge", f"{project.judge}*")
    for text in allowed:
        plan = project.plan(RECONCILE_ALLOWED_POLICIES=text)
        assert verdicts(plan) == {"rule": "failed"}
        assert codes(plan) == {"policy-not-allowed"}
        done = project.run("-vv", "apply", "--yes", RECONCILE_ALLOWED_POLICIES=text)
        refused(done, "policy-not-allowed")
    assert not (tmp_path / "was-run").exists()
    shown = project.run("plan", RECONCILE_ALLOWED_POLICIES="").out
    assert f"add {project.judge} to the environment variable RECONCILE_ALLOWED_POLICIES" in shown


def test_without_policies_a_plan_has_no_key_and_the_same_digest(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    judged = project.plan()
    project.config()
    plain = project.plan()
    assert "policies" not in plain
    assert plain["digest"] != judged["digest"]


def test_an_approval_holds_only_under_the_same_policy(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    digest = project.plan("--out", "plan.json")["digest"]
    project.rule("exit 0 # laxer")
    refused(project.run("-vv", "apply", "plan.json"), "policy-changed")
    refused(project.run("-vv", "apply", "--expect-digest", digest), "digest-mismatch")
    project.config()
    refused(project.run("-vv", "apply", "plan.json"), "policy-changed")
    refused(project.run("-vv", "apply", "--expect-digest", digest), "digest-mismatch")
    project.policies(
        {"name": "rule", "command": [str(project.judge)]},
        {"name": "second", "command": [str(project.judge)]},
    )
    refused(project.run("-vv", "apply", "plan.json"), "policy-changed")
    project.policies({"name": "rule", "command": [str(project.judge)]})
    project.rule(PASSED)
    done = project.run("apply", "plan.json")
    assert done.code == 0, done.err


def test_a_plan_made_without_policies_is_not_applied_under_one(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    project.config()
    digest = project.plan("--out", "plan.json")["digest"]
    project.policies({"name": "rule", "command": [str(project.judge)]})
    refused(project.run("-vv", "apply", "plan.json"), "policy-changed")
    refused(project.run("-vv", "apply", "--expect-digest", digest), "digest-mismatch")


def test_apply_runs_the_policies_again(tmp_path: Path) -> None:
    # The file that the script reads is not part of the policy, so only another run shows the
    # denial.
    switch = tmp_path / "switch"
    project = Judged(tmp_path, f"[ ! -e {switch} ] || {{ echo 'closed now'; exit 1; }}")
    project.plan("--out", "plan.json")
    switch.touch()
    done = project.run("-vv", "apply", "plan.json")
    refused(done, "policy")
    assert "closed now" in done.err
    switch.unlink()
    assert project.run("apply", "plan.json").code == 0


def test_a_warning_that_was_not_approved_is_refused(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    results = json.dumps([{"successes": 1, "warnings": [{"msg": "careful"}]}])
    project = Judged(tmp_path, f"[ ! -e {switch} ] || echo '{results}'")
    project.plan("--out", "plan.json")
    switch.touch()
    done = project.run("-vv", "apply", "plan.json")
    refused(done, "policy-changed")
    assert "rule was `passed` and is `warned` now" in done.err


@pytest.mark.parametrize("path", ["digest", "name", "verdict", "findings"])
def test_verdicts_of_a_saved_plan_cannot_be_edited(tmp_path: Path, path: str) -> None:
    project = Judged(tmp_path, DENIED)
    project.plan("--out", "plan.json")
    saved = tmp_path / "plan.json"
    plan = json.loads(saved.read_text())
    policy = plan["policies"][0]
    policy |= {
        "digest": {"digest": "sha256:" + "0" * 64},
        "name": {"name": "another"},
        "verdict": {"verdict": "passed"},
        "findings": {"verdict": "passed", "findings": []},
    }[path]
    saved.write_text(json.dumps(plan))
    done = project.run("-vv", "apply", "plan.json")
    assert (done.code, writes(done)) == (3 if path == "verdict" else 4, [])
    del plan["policies"]
    saved.write_text(json.dumps(plan))
    refused(project.run("-vv", "apply", "plan.json"), "tampered-plan")


def test_the_program_sees_the_plan_without_secrets_and_nothing_else(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = (
        f"mkdir -p {seen}; cat > {seen}/plan; env > {seen}/env; pwd > {seen}/pwd; ls -A > {seen}/ls"
    )
    project = Judged(tmp_path, script)
    project.apply(SECRET_KEY=CANARY, PORTKEY_API_KEY=CANARY, GITHUB_TOKEN=CANARY)
    plan = json.loads((seen / "plan").read_text())
    assert (plan["kind"], plan["actions"][0]["slug"]) == ("plan", "alpha")
    names = {line.partition("=")[0] for line in (seen / "env").read_text().splitlines()}
    # The shell adds some variables.
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME"}
    assert (seen / "ls").read_text() == ""
    assert not Path((seen / "pwd").read_text().strip()).exists()
    for file in seen.iterdir():
        assert CANARY not in file.read_text()


def test_a_message_never_shows_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "file"
    secret.write_text(f"alpha has {FIRST} in it\n")
    project = Judged(tmp_path, f"cat {secret}; cat {secret} >&2; exit 1")
    for style in ("json", "text", "markdown", "html"):
        done = project.run("plan", "--format", style)
        assert FIRST not in done.out + done.err
    assert "[redacted]" in project.run("plan").out


def test_listed_files_are_part_of_the_policy(tmp_path: Path) -> None:
    project = Judged(tmp_path, 'cat "$1/rules.txt" > /dev/null || exit 3')
    command = [str(project.judge), "policies"]
    allowed = f"{project.judge} policies"
    project.policies({"name": "rule", "command": command, "files": ["policies"]})
    project.write("policies/rules.txt", "strict")
    first = project.plan(RECONCILE_ALLOWED_POLICIES=allowed)
    assert verdicts(first) == {"rule": "passed"}
    # The command names it, so it need not be in `files`.
    project.policies({"name": "rule", "command": command})
    assert project.plan(RECONCILE_ALLOWED_POLICIES=allowed)["digest"] == first["digest"]
    project.write("policies/rules.txt", "lax")
    second = project.plan(RECONCILE_ALLOWED_POLICIES=allowed)
    assert second["policies"][0]["digest"] != first["policies"][0]["digest"]
    project.write("policies/sub/more.txt", "")
    third = project.plan(RECONCILE_ALLOWED_POLICIES=allowed)
    assert third["policies"][0]["digest"] != second["policies"][0]["digest"]


@pytest.mark.parametrize("argument", ["policies", "./policies/", "--rules=policies"])
def test_files_that_an_argument_names_are_part_of_the_policy(tmp_path: Path, argument: str) -> None:
    project = Judged(tmp_path, "cat policies/rules.txt > /dev/null || exit 3")
    allowed = f"{project.judge} {argument}"
    project.policies({"name": "rule", "command": [str(project.judge), argument]})
    digests = set()
    for text in ("strict", "lax"):
        project.write("policies/rules.txt", text)
        [policy] = project.plan(RECONCILE_ALLOWED_POLICIES=allowed)["policies"]
        assert policy["verdict"] == "passed"
        digests.add(policy["digest"])
    assert len(digests) == 2


def test_outside_files_that_an_argument_names_are_part_of_the_policy(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    rules = tmp_path / "opt"
    (rules / "sub").mkdir(parents=True)
    argument = f"--rules={rules}"
    project.policies({"name": "rule", "command": [str(project.judge), argument]})
    digests = set()
    # Versions are often switched by a link to a folder.
    (tmp_path / "versions").mkdir()
    (rules / "current").symlink_to(tmp_path / "versions")
    for path in ("a.txt", "sub/b.txt", "current/c.txt"):
        (rules / path).write_text("")
        plan = project.plan(RECONCILE_ALLOWED_POLICIES=f"{project.judge} {argument}")
        digests.add(plan["policies"][0]["digest"])
    assert len(digests) == 3


@pytest.mark.parametrize("argument", ["..", "../rules", "a/../../rules", "--rules=../rules"])
def test_an_argument_that_points_outside_the_folder_is_refused(
    tmp_path: Path, argument: str
) -> None:
    project = Judged(tmp_path)
    project.policies({"name": "rule", "command": [str(project.judge), argument]})
    plan = project.plan(RECONCILE_ALLOWED_POLICIES=f"{project.judge} {argument}")
    assert verdicts(plan) == {"rule": "failed"}
    [found] = [d for d in plan["diagnostics"] if d["code"] == "policy-failed"]
    assert "points outside its folder" in found["summary"]


def test_an_argument_with_dots_that_is_not_a_relative_path_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    words = ["a..b", f"{tmp_path}/rules/../rules", "https://rules.example/a/../b", "x = .."]
    project = Judged(tmp_path, f"test $# = {len(words)}")
    project.policies({"name": "rule", "command": [str(project.judge), *words]})
    plan = project.plan(RECONCILE_ALLOWED_POLICIES=f"{project.judge} *")
    assert verdicts(plan) == {"rule": "passed"}


def test_unlisted_files_are_not_visible_to_the_program(tmp_path: Path) -> None:
    project = Judged(tmp_path, "ls -A", files=["policies"])
    project.write("policies/a.txt", "")
    project.write("conftest.toml", "no-fail = true")
    [found] = [d for d in project.plan()["diagnostics"] if d["code"] == "policy-failed"]
    # Its answer is text, but text with status 0 is not a valid answer.
    assert "status 0" in found["summary"]
    project.rule('[ "$(ls -A)" = policies ]')
    assert verdicts(project.plan()) == {"rule": "passed"}


@pytest.mark.parametrize("kind", ["missing", "link", "pipe", "empty", "inner-link"])
def test_files_that_cannot_be_read_completely_block_the_plan(tmp_path: Path, kind: str) -> None:
    import os

    project = Judged(tmp_path, files=["policies"])
    folder = project.files / "policies"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "rules.txt").write_text("")
    match kind:
        case "link":
            folder.symlink_to(elsewhere)
        case "pipe":
            os.mkfifo(folder)
        case "empty":
            folder.mkdir()
        case "inner-link":
            folder.mkdir()
            (folder / "rules.txt").symlink_to(elsewhere / "rules.txt")
        case _:
            assert not folder.exists()
    plan = project.plan()
    assert codes(plan) == {"policy-failed"}
    refused(project.run("-vv", "apply", "--yes"), "policy-failed")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the folder for temporary folders, and remove the files that Python cannot remove."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param('P="$PWD"; cd /; rm -r "$P"', id="removes its folder"),
        pytest.param('P="$PWD"; cd /; rm -r "$P"; : > "$P"', id="replaces it by a file"),
        pytest.param('P="$PWD"; cd /; rm -r "$P"; ln -s "{kept}" "$P"', id="or by a link"),
        pytest.param("mkdir d; : > d/x; chmod 0 d .", id="takes permissions away"),
        pytest.param(
            "i=0; while [ $i -lt 1200 ]; do mkdir d; cd d; i=$((i+1)); done",
            id="nests too deep",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_changes_of_a_program_to_its_folder_do_not_end_a_run(
    tmp_path: Path, script: str, temporary: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    project = Judged(tmp_path, script.format(kept=kept) if "{kept}" in script else script)
    assert verdicts(project.plan()) == {"rule": "passed"}
    # Any remaining file is in the temporary folder; a link is not followed.
    assert (kept / "file").exists()
    assert len(list(temporary.iterdir())) <= 1


def test_a_name_is_not_looked_up_in_the_repository(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    inside = project.files / "bin"
    project.rule(f": > {tmp_path}/was-run", inside / "judge")
    project.policies({"name": "rule", "command": ["judge"]})
    paths = (str(inside), "desired-state/bin", f"{inside}:/usr/bin")
    for path in paths:
        plan = project.plan(RECONCILE_ALLOWED_POLICIES="judge", PATH=path)
        assert codes(plan) == {"policy-failed"}
    # A link outside that points into the repository is the same program.
    links = tmp_path / "links"
    links.mkdir()
    (links / "judge").symlink_to(inside / "judge")
    assert codes(project.plan(RECONCILE_ALLOWED_POLICIES="judge", PATH=str(links))) == {
        "policy-failed"
    }
    assert not (tmp_path / "was-run").exists()
    outside = str(project.judge.parent)
    found = project.plan(RECONCILE_ALLOWED_POLICIES="judge", PATH=f"{inside}:{outside}")
    assert verdicts(found) == {"rule": "passed"}


def test_a_program_of_the_repository_runs_if_it_is_listed_by_its_path(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    inside = project.rule("echo denied; exit 1", project.files / "policies/judge")
    for name in ("policies/judge", "./policies/judge", str(inside)):
        project.policies({"name": "rule", "command": [name]})
        assert verdicts(project.plan(RECONCILE_ALLOWED_POLICIES=name)) == {"rule": "denied"}
        assert codes(project.plan(RECONCILE_ALLOWED_POLICIES="judge")) == {"policy-not-allowed"}
    inside.chmod(0o644)
    project.policies({"name": "rule", "command": ["policies/judge"]})
    assert codes(project.plan(RECONCILE_ALLOWED_POLICIES="policies/judge")) == {"policy-failed"}


def test_policies_at_the_top_level_judge_every_target(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    strict = project.rule(DENIED, tmp_path / "bin/strict")
    document = json.loads((project.files / "reconcile.yaml").read_text())
    document["policies"] = [{"name": "strict", "command": [str(strict)]}]
    project.write("reconcile.yaml", document)
    plan = project.plan(RECONCILE_ALLOWED_POLICIES=f"{strict}, {project.judge}")
    assert verdicts(plan) == {"strict": "denied", "rule": "passed"}


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"name": "a"}, "`policies` must be a list"),
        ([{"name": "a b", "command": ["x"]}], "`name` is not the name of a policy"),
        ([{"name": "a", "command": []}], "`command` names no program"),
        ([{"name": "a", "command": [""]}], "`command` names no program"),
        ([{"name": "a", "command": ["x", "a\nb"]}], "control character"),
        ([{"name": "a", "command": ["x"], "files": ["../x"]}], "paths inside"),
        ([{"name": "a", "command": ["x"], "files": ["/etc/passwd"]}], "paths inside"),
        ([{"name": "a", "command": ["x"], "timeout_seconds": 0}], "timeout_seconds"),
        ([{"name": "a", "command": "x"}], "command"),
        ([{"name": "a", "command": ["x"], "shell": True}], "`shell` is not a field"),
        ([{"name": "a", "command": ["x"]}] * 2, "two policies have the name `a`"),
    ],
)
def test_errors_are_reported_with_their_location(
    tmp_path: Path, policies: Any, message: str
) -> None:
    project = Judged(tmp_path)
    project.config(policies=policies)
    done = project.run("validate")
    assert done.code == 3
    assert message in done.out + done.err
    assert "reconcile.yaml:" in done.out + done.err


def test_every_format_names_the_policies(tmp_path: Path) -> None:
    project = Judged(tmp_path, DENIED)
    for style in ("text", "markdown", "html"):
        done = project.run("plan", "--format", style)
        assert "Policies: rule denied." in done.out
        assert "alpha must not exist" in done.out
    project.plan("--out", "plan.json")
    assert "Policies: rule denied." in project.run("show", "plan.json").out
    digest = project.plan()["policies"][0]["digest"]
    assert f"rule: denied, {digest}" in project.run("-v", "plan").out


def test_a_drift_report_has_the_digest_of_the_plan_that_reverts_it(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    drift = project.run("drift", "--format", "json")
    assert (drift.code, verdicts(drift.json)) == (2, {"rule": "passed"})
    done = project.run("apply", "--expect-digest", drift.json["fingerprint"])
    assert done.code == 0, done.err


def test_an_undo_is_judged_too(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    project.apply()
    project.integration("alpha", name="Broken")
    project.apply()
    run = project.run("history", "--format", "json").json["runs"][-1]["run"]
    project.rule(DENIED)
    done = project.run("undo", run, "--out", "undo.json", "--format", "json")
    assert verdicts(done.json) == {"rule": "denied"}
    refused(project.run("-vv", "apply", "undo.json"), "policy")


def test_a_plan_without_changes_runs_no_program(tmp_path: Path) -> None:
    project = Judged(tmp_path)
    project.apply()
    project.rule(f": > {tmp_path}/was-run; exit 1")
    assert "policies" not in project.plan()
    project.apply()
    assert not (tmp_path / "was-run").exists()


def test_documents_match_their_schemas(tmp_path: Path) -> None:
    project = Judged(tmp_path, DENIED)
    plan = project.plan()
    drift = project.run("drift", "--format", "json").json
    project.rule(PASSED)
    result = project.run("apply", "--yes", "--format", "json").json
    for kind, document in {"plan": plan, "drift": drift, "result": result}.items():
        schema = project.run("schema", "--kind", kind).json
        assert "policies" in document
        jsonschema.Draft202012Validator(schema).validate(document)
    schema = project.run("schema", "--kind", "config").json
    config = json.loads((project.files / "reconcile.yaml").read_text())
    jsonschema.Draft202012Validator(schema).validate(config)


def test_doctor_checks_whether_every_policy_could_be_run(tmp_path: Path) -> None:
    project = Judged(tmp_path, f": > {tmp_path}/was-run")

    def check(**variables: str) -> tuple[str, str]:
        checks = project.run("doctor", "--format", "json", **variables).json["checks"]
        [found] = [item for item in checks if item["name"] == "policies"]
        return found["status"], found["summary"]

    assert check() == ("ok", "rule: allowed, with program and files")
    lines = project.run("doctor").out.splitlines()
    # The summaries are aligned, although the name is longer than those of the other checks.
    assert any(line.startswith("✓ ok    config    1 integration") for line in lines)
    assert "✓ ok    policies  rule: allowed, with program and files" in lines
    assert check(RECONCILE_ALLOWED_POLICIES="")[0] == "fail"
    assert check(RECONCILE_ALLOWED_POLICIES="'open")[0] == "fail"
    project.policies({"name": "rule", "command": [str(project.judge)], "files": ["missing"]})
    status, summary = check()
    assert (status, summary.startswith("policy rule: `missing` cannot be read")) == ("fail", True)
    assert not (tmp_path / "was-run").exists()


def test_a_bad_allow_list_is_reported(tmp_path: Path) -> None:
    done = Judged(tmp_path).run("plan", RECONCILE_ALLOWED_POLICIES="judge 'open")
    assert done.code == 3
    assert "error[bad-allow-list]" in done.err
