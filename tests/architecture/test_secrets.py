"""Modules that may reveal the value of a secret."""

import ast

from tests.architecture.source import calls, modules, nodes

ALLOWED = {
    "cli/ledger_access.py",  # the URL and the pepper of the ledger, for the database and HMAC
    "desired/yaml_writer.py",  # a literal that a file may hold, when it is written
    "domain/secrets.py",  # computes fingerprints and masks
    "fleet/temporal/client.py",  # the key of Temporal Cloud, for its client
    "github/rest.py",  # the header with the token of the job
    "remote/wire_secrets.py",  # the request body, when it is serialized
    "remote/client.py",  # the header with the API key; secrets that a server echoes are redacted
}


def test_only_named_modules_reveal_a_secret() -> None:
    found = {
        name
        for name, tree in modules()
        for called, _ in calls(tree)
        if called.rpartition(".")[2] == "reveal" and not name.startswith("secrets/")
    }
    assert found <= ALLOWED, f"revealed in {sorted(found - ALLOWED)}"


def test_no_module_bypasses_the_wrapper() -> None:
    found = {
        name
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.Attribute) and node.attr == "_value" and name != "domain/secrets.py"
    }
    assert found == set()
