"""Every message of planning: `tests/golden/planning/messages.txt`.

`python -m tests.planning.test_messages` writes that file; review its diff.
"""

from collections.abc import Iterable
from pathlib import Path

from reconciler.diagnostics import Diagnostic
from reconciler.planning import messages
from tests.builders import declared

GOLDEN = Path(__file__).resolve().parents[1] / "golden/planning/messages.txt"
ALPHA = declared("alpha")


def every_message() -> Iterable[Diagnostic]:
    yield messages.missing_value(ALPHA, ("key",), "env:SECRET_KEY")
    yield messages.key_kept(ALPHA)
    yield messages.masked_write(declared("my-alpha"), ("configurations", "aws_secret_access_key"))
    yield messages.credential_retarget(ALPHA, [("key",), ("configurations", "token")])
    yield messages.undeclared_host(ALPHA, ("configurations", "custom_host"))
    yield messages.undeclared_access(ALPHA, ("models", "gpt-5"))
    yield messages.undeclared_access(ALPHA, ("workspaces", "ws-a"))
    yield messages.unlisted_access(ALPHA, 1)
    yield messages.unlisted_access(ALPHA, 2, ["ws-a", "ws-b"])
    yield messages.differing_form(ALPHA, "ai_provider_id")
    yield messages.aligned_form(ALPHA, ("workspaces", "ws-a"))
    yield from messages.without_provider(ALPHA, ["ws-a"])
    yield messages.archived(ALPHA)
    yield messages.not_owned(ALPHA)
    yield messages.declared_elsewhere(ALPHA)
    yield messages.foreign_tombstone("old")
    yield messages.no_longer_managed(ALPHA, "models")
    yield messages.protected("alpha", "deleted", ALPHA)
    yield messages.protected("alpha", "deleted", None)
    yield messages.masks_changed()
    yield messages.missing_configurations(ALPHA)
    yield messages.missing_credential(ALPHA)
    yield messages.looks_like_rename(ALPHA, "old")
    yield messages.sent_again(ALPHA, ("key",))
    yield messages.another_object(ALPHA)
    yield messages.another_withdrawn("old", deleted=False)
    yield messages.another_withdrawn("old", deleted=True)


def shown(remark: Diagnostic) -> str:
    at = remark.at.file if remark.at else "no file"
    return f"{remark.severity.value} {remark.code} ({at})\n  {remark.summary}\n  {remark.hint}\n"


def document() -> str:
    return "\n".join(map(shown, every_message()))


def test_every_message_equals_the_golden_file() -> None:
    assert document() == GOLDEN.read_text(encoding="utf-8")


def test_only_workspaces_without_a_provider_get_a_notice_in_order() -> None:
    one_has_its_own = [
        {"id": "ws-a", "create_default_provider": True},
        {"id": "ws-b", "create_default_provider": False},
    ]
    want = declared(workspaces=one_has_its_own)
    remarked = messages.without_provider(want, ["ws-c", "ws-b", "ws-a"])
    assert [r.summary.split()[2] for r in remarked] == ["ws-b", "ws-c"]
    everywhere = declared(workspaces=one_has_its_own, create_default_provider=True)
    remarked = messages.without_provider(everywhere, ["ws-c", "ws-b", "ws-a"])
    assert [r.summary.split()[2] for r in remarked] == ["ws-b"]
    assert messages.without_provider(want, []) == []


if __name__ == "__main__":
    GOLDEN.write_text(document(), encoding="utf-8", newline="\n")
