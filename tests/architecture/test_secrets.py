"""Where the value of a secret may be taken out of its wrapper."""

import ast

from tests.architecture.source import calls, modules, nodes

ALLOWED = {
    "cli/ledger_access.py",  # the ledger's own URL and pepper, for the database and for HMAC
    "desired/yaml_writer.py",  # a literal that a file may hold, at the moment it is written
    "domain/secrets.py",  # fingerprints and masks are computed inside
    "fleet/temporal/client.py",  # the key of Temporal's cloud, for its own client
    "github/rest.py",  # the header with the job's token
    "remote/wire_secrets.py",  # the request body, at the moment it is written
    "remote/client.py",  # the header with the API key; secrets that a server echoes are cut out
}


def test_only_named_modules_reveal_a_secret() -> None:
    found = {
        name
        for name, tree in modules()
        for called, _ in calls(tree)
        if called.rpartition(".")[2] == "reveal" and not name.startswith("secrets/")
    }
    assert found <= ALLOWED, f"revealed in {sorted(found - ALLOWED)}"


def test_nothing_reaches_around_the_wrapper() -> None:
    found = {
        name
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.Attribute) and node.attr == "_value" and name != "domain/secrets.py"
    }
    assert found == set()
