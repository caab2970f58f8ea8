"""Records survive a crash and concurrent writers; secret values are never on disk."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Mask, Pepper, Redacted
from reconciler.domain.state import LastApplied, Observed, SecretRecord
from reconciler.execution.events import CallStarted, RunStarted
from reconciler.execution.ledger_listener import record_in
from reconciler.ledger.models import Confirmed, RunFacts
from tests.ledger.builders import KEY, action, clock, declared, ledger_in, plan, record_run

CRASH = """
import os, signal, sys
from pathlib import Path
from tests.ledger.builders import ledger_in, record_run

with ledger_in(Path(sys.argv[1])) as ledger:
    record_run(ledger, "r-1", "a", stop_before_answer=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""

MANY = """
import sys
from pathlib import Path
from reconciler.ledger.models import Confirmed
from tests.ledger.builders import KEY, declared, ledger_in, record_run
from reconciler.ledger.models import TargetKey

key = TargetKey(sys.argv[2], "host", "org")
with ledger_in(Path(sys.argv[1])) as ledger:
    for number in range(25):
        record_run(ledger, f"{sys.argv[2]}-{number}", "a", key=key)
        ledger.store_confirmed(key, [Confirmed(declared(f"slug-{number}"))])
"""


def python(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, *arguments], text=True)


def test_the_intent_is_on_disk_when_the_process_is_killed(tmp_path: Path) -> None:
    assert python(CRASH, str(tmp_path)).wait() == -9
    with ledger_in(tmp_path) as ledger:
        (run,) = ledger.history()
        assert run["unanswered"] == [{"slug": "a", "operation": "update-integration"}]
        assert [image.slug for image in ledger.pre_images("r-1")] == ["a"]
        record_run(ledger, "r-2", "a")
        assert ledger.verify() == []


@pytest.mark.slow
def test_two_processes_share_a_ledger(tmp_path: Path) -> None:
    both = [python(MANY, str(tmp_path), name) for name in ("one", "two")]
    assert [process.wait() for process in both] == [0, 0]
    with ledger_in(tmp_path) as ledger:
        assert len(ledger.history()) == 50
        assert ledger.verify() == []


def on_disk(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())


def test_no_value_is_in_the_file_or_its_log(tmp_path: Path) -> None:
    canaries = [f"canary{uuid.uuid4().hex}" for _ in range(6)]
    value, header, identity, stray, account, pepper = canaries
    configurations = {
        "custom_headers": {"x-team": Redacted(header), "authorization": stray},
        "aws_access_key_id": Redacted(identity),
        "vertex_service_account_json": {"private_key": account},
    }
    one = declared("a", configurations=configurations)
    seen = Observed("a", {"key": Mask("sk-***"), "configurations": configurations})
    body = {"key": Redacted(value), "configurations": configurations}
    record = SecretRecord(
        one.fields["key"],  # type: ignore[arg-type]  # the builder puts a reference here
        fingerprint=Redacted(value).fingerprint(Pepper("p", Redacted(pepper))),
        mask=Mask("sk-***"),
    )
    with ledger_in(tmp_path, pepper=pepper) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(one, {("key",): record})])
        emit = record_in(ledger.recorder(KEY, facts=RunFacts("r-1"), now=clock()))
        past = LastApplied(declared=one.fields)
        emit(RunStarted("r-1", plan(action("a", before=seen, remembered=past))))
        emit(CallStarted(action("a"), Call(OperationName.UPDATE, "a", body=body)))
        written = on_disk(tmp_path)
        assert (tmp_path / "ledger.db-wal").stat().st_size > 0
    written += on_disk(tmp_path)
    assert "SECRET_A" in written
    assert [canary for canary in canaries if canary in written] == []


def test_the_public_form_is_strict_json(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        record_run(ledger, "r-1", "a")
        assert json.loads(json.dumps(ledger.history(), allow_nan=False)) == ledger.history()
