"""Allow-list of the commands that policies can run in this environment.

A pull request can edit reconcile.yaml and all files next to it, but not the environment, so the
environment decides what is run. An entry is a whole command, compared word by word, and not the
name of a program: one more argument turns a harmless program into a shell (`python3 -c …`), makes
it fetch rules from elsewhere (`conftest test --update URL`), or pass every plan (`conftest test
--no-fail`). An entry that ends with `*` permits all of that, so it is for programs that take no
such arguments.

What this protects against, and what it does not:

- A program that the list does not name is never started. A name without a slash is looked up in the
  folders of PATH outside the repository, so that no file of a pull request takes its place. A
  program inside the repository runs only if the list names it by its path.
- A program sees a copy of the files that the policy lists, and nothing else of the repository. So
  a `conftest.toml` that a pull request adds has no effect unless it is listed, and then it is part
  of the digest of the policy, which is part of the digest of the plan.
- The rules themselves are files that a pull request can edit, or drop together with the policy. The
  plan then has another digest, so an approval is no longer valid; whether the new rules are
  right is for the owners of these files to review.
- It is not a sandbox. A listed program runs as the user of the command, with its files and its
  network. Rules in a language that can send requests or read files (Rego can do both) can do so
  too. Where that matters, keep the rules outside of the repository and list their absolute path, or
  run the command in a job that has no secrets.
"""

import shlex
from collections.abc import Sequence

from reconciler.allowed_command import AllowedCommands
from reconciler.policies.errors import PolicyNotAllowed

VARIABLE = "RECONCILE_ALLOWED_POLICIES"


def allowed_policies(text: str | None) -> AllowedCommands:
    """Parse the value of the variable; raises `InvalidInput` for an entry with open quotes."""
    return AllowedCommands.parse(text, variable=VARIABLE)


def require_allowed(command: Sequence[str], allowed: AllowedCommands) -> None:
    """Raise `PolicyNotAllowed` for a command that the environment does not list."""
    if allowed.permits(command):
        return
    summary = f"this environment does not allow the command `{shlex.join(command)}`"
    raise PolicyNotAllowed(summary, hint=allowed.hint_for(command))
