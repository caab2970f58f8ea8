"""A fleet on a real Temporal server, with workers that are killed during their work."""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from tests.cli.test_change_windows import FROZEN
from tests.fleet.organisations import Organisations, serving
from tests.fleet.project import FleetProject, codes, statuses
from tests.fleet.temporal import dev_server, process, started, worker

pytestmark = pytest.mark.slow

AT_A_TIME = 8


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dev_server(tmp_path_factory.mktemp("temporal")) as where:
        yield where


def fleet_in(folder: Path, served: Organisations, **variables: str) -> FleetProject:
    project = FleetProject(folder, **variables)
    for name in served.organisations:
        project.member(name, base_url=served.url(name))
    return project


def on(address: str) -> tuple[str, ...]:
    return ("--engine", "temporal", "--address", address)


def test_two_hundred_organisations_converge_although_a_worker_is_killed(
    tmp_path: Path, address: str
) -> None:
    names = [f"org-{number:03d}" for number in range(200)]
    with serving(*names) as served:
        project = fleet_in(tmp_path, served)
        served.gate.close_after(80, room=2 * AT_A_TIME)
        several = ("--parallelism", str(AT_A_TIME), "--queue", "killed")
        with (
            worker(project, address, *several) as first,
            worker(project, address, *several),
            started(project, address, "apply", "--yes", "--queue", "killed") as run,
        ):
            # Every slot of both workers now waits for the response to a completed create.
            assert served.gate.full.wait(120)
            first.send_signal(signal.SIGKILL)
            first.wait(10)
            served.open()
            out, _ = run.communicate(timeout=240)
        result = json.loads(out)
        assert (run.returncode, result["exit_code"], result["engine"]) == (0, 0, "temporal")
        ends = [member["status"] for member in result["members"]]
        assert set(ends) == {"applied"}
        assert {name for name in names if served[name].slugs != {"alpha"}} == set()
        assert {name for name in names if served[name].posts != 1} == set()
        # Integrations that the killed worker created exist once; their keys are sent once more.
        writes = Counter(served[name].writes for name in names)
        assert set(writes) == {1, 2}
        assert AT_A_TIME <= writes[2] <= 2 * AT_A_TIME


def test_temporal_receives_only_names_and_digests(tmp_path: Path, address: str) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        with worker(project, address, "--queue", "payloads"):
            done = project.fleet("apply", "--yes", *on(address), "--queue", "payloads")
        assert statuses(done) == {"acme": "applied"}
        history = asyncio.run(_history(address, "payloads/acme"))
    assert done.json["members"][0]["digest"] in history
    for kept in ("alpha", "Alpha", "openai", "pk-acme", project.environment["SECRET_KEY"], "http"):
        assert kept not in history


async def _history(address: str, workflow: str) -> str:
    client = await Client.connect(address)
    history = await client.get_workflow_handle(workflow).fetch_history()
    decoded = [
        json.loads(payload.data)
        for event in history.events
        for attributes in (
            event.workflow_execution_started_event_attributes.input,
            event.activity_task_scheduled_event_attributes.input,
            event.activity_task_completed_event_attributes.result,
            event.workflow_execution_completed_event_attributes.result,
        )
        for payload in attributes.payloads
    ]
    assert decoded
    return json.dumps(decoded)


async def _waits(handle: WorkflowHandle[object, object]) -> str:
    """Query a run until it waits for the approval of a digest, and return the digest."""
    async with asyncio.timeout(30):
        while True:
            with suppress(RPCError):  # the run may not have started
                digest: str | None = await handle.query("waiting", result_type=str)
                if digest:
                    return digest


async def _signal(address: str, workflow: str, name: str, *digests: str) -> str:
    """Wait until a run asks for approval, and send signals; `…` stands for the right digest."""
    client = await Client.connect(address)
    handle: WorkflowHandle[object, object] = client.get_workflow_handle(workflow)
    waiting = await _waits(handle)
    for digest in digests:
        await handle.signal(name, waiting if digest == "…" else digest)
    if not digests:
        await handle.signal(name)
    return waiting


def test_a_plan_waits_for_the_signal_with_its_digest(tmp_path: Path, address: str) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        key = "${env:PORTKEY_API_KEY_ACME}"
        project.of("acme").config(served.url("acme"), api_key=key, freeze=FROZEN)
        queue = ("--queue", "approved", "--break-freeze", "INC-7")
        with (
            worker(project, address, *queue[:2]),
            started(project, address, "apply", "--await-approval", *queue) as run,
        ):
            signals = _signal(address, "approved/acme", "approve", "sha256:00", "…")
            waiting = asyncio.run(signals)
            out, _ = run.communicate(timeout=60)
        [acme] = json.loads(out)["members"]
        assert (acme["digest"], acme["break_freeze"]) == (waiting, "INC-7")
        assert (run.returncode, served["acme"].slugs) == (0, {"alpha"})


def test_a_plan_that_is_declined_is_not_applied(tmp_path: Path, address: str) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        queue = ("--queue", "declined")
        with (
            worker(project, address, *queue),
            started(project, address, "apply", "--await-approval", *queue) as run,
        ):
            asyncio.run(_signal(address, "declined/acme", "decline"))
            out, _ = run.communicate(timeout=60)
        assert run.returncode == 4
        assert json.loads(out)["members"][0]["diagnostics"][0]["code"] == "declined"
        assert served["acme"].writes == 0


def test_one_run_of_a_member_at_a_time(tmp_path: Path, address: str) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        queue = ("--queue", "alone")
        with (
            worker(project, address, *queue),
            started(project, address, "apply", "--await-approval", *queue) as run,
        ):
            digest = asyncio.run(_waiting_digest(address, "alone/acme"))
            second = project.fleet("apply", "--yes", *on(address), *queue)
            assert (second.code, codes(second)) == (4, {"acme": {"locked"}})
            assert served["acme"].writes == 0
            asyncio.run(_signal(address, "alone/acme", "approve", digest))
            run.communicate(timeout=60)
        assert served["acme"].slugs == {"alpha"}


async def _waiting_digest(address: str, workflow: str) -> str:
    client = await Client.connect(address)
    return await _waits(client.get_workflow_handle(workflow))


def test_a_caller_with_another_fleet_file_is_refused(tmp_path: Path, address: str) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        queue = ("--queue", "other")
        with worker(project, address, *queue):
            other = tmp_path / "other.yaml"
            other.write_text((tmp_path / "fleet.yaml").read_text() + "\n")
            done = project.fleet("apply", "--yes", "--file", other, *on(address), *queue)
        assert (done.code, codes(done)) == (4, {"acme": {"other-fleet"}})
        (diagnostic,) = done.json["members"][0]["diagnostics"]
        assert "use the same file on both sides" in diagnostic["summary"]
        assert served["acme"].requests == []


def test_an_unreadable_fleet_file_of_a_worker_is_reported_by_its_code(
    tmp_path: Path, address: str
) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        queue = ("--queue", "unreadable")
        with worker(project, address, *queue):
            good = tmp_path / "good.yaml"
            good.write_text((tmp_path / "fleet.yaml").read_text())
            (tmp_path / "fleet.yaml").write_text("version: 7\n")
            done = project.fleet("apply", "--yes", "--file", good, *on(address), *queue)
        assert (done.code, codes(done)) == (3, {"acme": {"missing-field"}})
        assert done.json["members"][0]["diagnostics"][0]["summary"] == ""


def test_an_invalid_schedule_is_bad_input(tmp_path: Path, address: str) -> None:
    with serving("acme") as served:
        project = fleet_in(tmp_path, served)
        words = ("--schedule", "every day", "--engine", "temporal", "--address", address)
        done = project.run("fleet", "drift", *words)
    assert done.code == 3
    assert "error[usage]: Temporal does not accept the schedule 'every day'" in done.err


def test_drift_is_found_on_a_temporal_schedule(tmp_path: Path, address: str) -> None:
    with serving("acme", "globex") as served:
        project = fleet_in(tmp_path, served)
        where = (*on(address), "--queue", "clock")
        for cron in ("0 0 1 1 *", "30 4 * * *"):
            assert project.run("fleet", "drift", "--schedule", cron, *where).code == 0
        with worker(project, address, "--queue", "clock"):
            report = asyncio.run(_triggered(address, "clock/globex/drift"))
        assert (report["standing"], report["exit_code"]) == ("different", 2)
        assert served["globex"].writes == 0
        assert project.run("fleet", "drift", "--schedule", "off", *where).code == 0
        asyncio.run(_no_schedules(address, "clock/"))


async def _triggered(address: str, schedule: str) -> dict[str, object]:
    """Trigger a schedule, and wait for the report of its run."""
    client = await Client.connect(address)
    handle = client.get_schedule_handle(schedule)
    assert len((await handle.describe()).schedule.spec.calendars) == 1
    await handle.trigger()
    async with asyncio.timeout(30):
        while not (actions := (await handle.describe()).info.recent_actions):
            pass
        action = actions[0].action
        run: WorkflowHandle[object, dict[str, object]] = client.get_workflow_handle(
            action.workflow_id, result_type=dict
        )
        return await run.result()


async def _no_schedules(address: str, prefix: str) -> None:
    """Wait until the list, which Temporal updates with a delay, does not have this schedule."""
    async with asyncio.timeout(20):
        while await _schedules(address, prefix):
            pass


async def _schedules(address: str, prefix: str) -> list[str]:
    client = await Client.connect(address)
    found = [entry.id async for entry in await client.list_schedules()]
    return [name for name in found if name.startswith(prefix)]


def test_an_unreachable_server_is_a_failure_with_its_address(tmp_path: Path) -> None:
    project = FleetProject(tmp_path)
    project.member("acme")
    done = project.fleet("plan", *on("127.0.0.1:9"))
    assert (done.code, done.json["diagnostics"][0]["code"]) == (1, "temporal")
    assert "127.0.0.1:9" in done.json["diagnostics"][0]["summary"]


@pytest.mark.parametrize("words", [("fleet", "plan", "--engine", "temporal"), ("worker",)])
def test_without_the_extra_the_hint_names_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = FleetProject(tmp_path)
    project.member("acme")
    code = (
        "import sys; sys.modules['temporalio'] = None; from reconciler.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, *words]
    with process(command, cwd=tmp_path, env=project.environment) as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode == 3
    assert "error[missing-extra]" in err
    assert "portkey-reconciler[temporal]" in err


@pytest.mark.parametrize(
    "words", [("apply", "--await-approval"), ("drift", "--schedule", "0 * * * *")]
)
def test_temporal_only_options_are_refused_without_it(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    project = FleetProject(tmp_path)
    project.member("acme")
    done = project.fleet(*words)
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "usage")
