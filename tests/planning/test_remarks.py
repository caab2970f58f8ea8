"""Every sentence of planning, as a person reads it: `tests/golden/planning/remarks.txt`.

`python -m tests.planning.test_remarks` writes that file; read the difference.
"""

from collections.abc import Iterable
from pathlib import Path

from reconciler.diagnostics import Diagnostic
from reconciler.planning import remarks
from tests.builders import declared

GOLDEN = Path(__file__).resolve().parents[1] / "golden/planning/remarks.txt"
ALPHA = declared("alpha")


def every_remark() -> Iterable[Diagnostic]:
    yield remarks.missing_value(ALPHA, ("key",), "env:SECRET_KEY")
    yield remarks.key_kept(ALPHA)
    yield remarks.masked_write(declared("my-alpha"), ("configurations", "aws_secret_access_key"))
    yield remarks.credential_retarget(ALPHA, [("key",), ("configurations", "token")])
    yield remarks.undeclared_host(ALPHA, ("configurations", "custom_host"))
    yield remarks.undeclared_access(ALPHA, ("models", "gpt-5"))
    yield remarks.undeclared_access(ALPHA, ("workspaces", "ws-a"))
    yield remarks.unlisted_access(ALPHA, 1)
    yield remarks.unlisted_access(ALPHA, 2, ["ws-a", "ws-b"])
    yield remarks.differing_form(ALPHA, "ai_provider_id")
    yield remarks.aligned_form(ALPHA, ("workspaces", "ws-a"))
    yield from remarks.without_provider(ALPHA, ["ws-a"])
    yield remarks.archived(ALPHA)
    yield remarks.not_owned(ALPHA)
    yield remarks.declared_elsewhere(ALPHA)
    yield remarks.foreign_tombstone("old")
    yield remarks.no_longer_managed(ALPHA, "models")
    yield remarks.protected("alpha", "deleted", ALPHA)
    yield remarks.protected("alpha", "deleted", None)
    yield remarks.masks_changed()
    yield remarks.missing_configurations(ALPHA)
    yield remarks.missing_credential(ALPHA)
    yield remarks.looks_like_rename(ALPHA, "old")
    yield remarks.sent_once_more(ALPHA, ("key",))
    yield remarks.another_object(ALPHA)
    yield remarks.another_withdrawn("old", deleted=False)
    yield remarks.another_withdrawn("old", deleted=True)


def shown(remark: Diagnostic) -> str:
    at = remark.at.file if remark.at else "no file"
    return f"{remark.severity.value} {remark.code} ({at})\n  {remark.summary}\n  {remark.hint}\n"


def document() -> str:
    return "\n".join(map(shown, every_remark()))


def test_every_remark_reads_as_reviewed() -> None:
    assert document() == GOLDEN.read_text(encoding="utf-8")


def test_only_a_workspace_that_gets_no_provider_is_remarked_in_order() -> None:
    one_has_its_own = [
        {"id": "ws-a", "create_default_provider": True},
        {"id": "ws-b", "create_default_provider": False},
    ]
    want = declared(workspaces=one_has_its_own)
    remarked = remarks.without_provider(want, ["ws-c", "ws-b", "ws-a"])
    assert [r.summary.split()[2] for r in remarked] == ["ws-b", "ws-c"]
    everywhere = declared(workspaces=one_has_its_own, create_default_provider=True)
    remarked = remarks.without_provider(everywhere, ["ws-c", "ws-b", "ws-a"])
    assert [r.summary.split()[2] for r in remarked] == ["ws-b"]
    assert remarks.without_provider(want, []) == []


if __name__ == "__main__":
    GOLDEN.write_text(document(), encoding="utf-8", newline="\n")
