"""Comparison with Terraform or OpenTofu and the vendor's provider: plan and drift on the same API.

Environment variables name both binaries; without them the case is skipped. The commands run in turn
with their own defaults on the same simulator. Every integration is one resource without a loop,
which Terraform evaluates fastest.
"""

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.cli import settings
from reconciler.simulator.seeds import generated_requests
from tests.benchmarks.bench import Bench, Row
from tests.benchmarks.measuring import Measured, calls_in, measure
from tests.benchmarks.world import RECONCILE, World, as_yaml, declare, simulator

TERRAFORM = "BENCHMARK_TERRAFORM"
PROVIDER = "BENCHMARK_TERRAFORM_PROVIDER"
SIZES = (4, 30, 100, 1_000)
THEIR_PLAN, THEIR_DRIFT = "Terraform: plan", "Terraform: plan -refresh-only"
OURS: Mapping[str, tuple[str, ...]] = {
    "plan beside Terraform": ("plan",),
    "drift beside Terraform": ("drift",),
    "drift --incremental beside Terraform": ("drift", "--incremental"),
}
PAIRS = tuple(zip(OURS, (THEIR_PLAN, THEIR_DRIFT, THEIR_DRIFT), strict=True))
"""Commands that answer the same question."""

MUST = {100: 0.6, 1_000: 0.3}
"""Most that the wall time may be, as a share of Terraform's, by number of integrations."""

_MODELLED = (
    "slug",
    "name",
    "ai_provider_id",
    "description",
    "key",
    "configurations",
    "secret_mappings",
)
"""Fields that the provider's resource has."""

_REQUEST = re.compile(rb"(?:^|\r\n\r\n|\})(GET|POST|PUT|DELETE) \S+ HTTP/1\.1\r\n")
_CONFIG = """\
provider_installation {
  dev_overrides { "portkey-ai/portkey" = "%s" }
  direct {}
}
"""


@dataclass(frozen=True)
class Peer:
    """The two binaries, and their use in a folder."""

    terraform: str
    provider: str

    @classmethod
    def named(cls) -> "Peer | None":
        """Return the binaries that the environment names; None unless both are named."""
        terraform, provider = settings.variable(TERRAFORM), settings.variable(PROVIDER)
        return cls(terraform, provider) if terraform and provider else None

    def configure(self, world: World) -> None:
        """Write the Terraform configuration of the declared integrations."""
        plugins = world.folder / "plugins"
        plugins.mkdir()
        (plugins / "terraform-provider-portkey").symlink_to(Path(self.provider).resolve())
        (world.folder / "terraform.rc").write_text(_CONFIG % plugins)
        resources = {body["slug"]: _resource(body) for body in _bodies(world.count)}
        source = {"portkey": {"source": "portkey-ai/portkey"}}
        document = {
            "terraform": {"required_providers": source},
            "resource": {"portkey_integration": resources},
        }
        (world.folder / "main.tf.json").write_text(json.dumps(document))

    def run(self, world: World, url: str, *arguments: str) -> Measured:
        """Run one command in the folder of a world."""
        environment = {
            **world.environment,
            "PORTKEY_BASE_URL": url,
            "TF_CLI_CONFIG_FILE": str(world.folder / "terraform.rc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        command = [self.terraform, *arguments, "-input=false", "-no-color"]
        return _checked(measure(command, folder=world.folder, environment=environment), world)


def terraform(bench: Bench) -> Iterator[Row]:
    """Run plan and drift in turn with Terraform, for every size."""
    peer = Peer.named()
    if peer is None:
        bench.say(f"terraform: skipped, because {TERRAFORM} and {PROVIDER} do not name binaries")
        return
    # Each size starts separate simulators; a quick run needs only the largest.
    for count in (bench.size(SIZES[-1]),) if bench.quick else SIZES:
        world = _declared(bench.folder / f"terraform-{count}", count)
        peer.configure(world)
        yield from _compared(bench, peer, world)


def _compared(bench: Bench, peer: Peer, world: World) -> Iterator[Row]:
    db = world.folder / "simulator.db"
    with simulator(world.folder, db=db) as url:
        peer.run(world, url, "apply", "-auto-approve")
        world.aim(url)
        # Records the state in the ledger, as Terraform did in its state file.
        _reconcile(world, "apply", "--yes")
    # A ledger identifies the API by its address.
    port = url.rpartition(":")[2].partition("/")[0]
    # Without latency, this measures the tools; with latency, also their calls.
    for latency in (0, bench.latency_ms):
        with simulator(world.folder, port=port, latency_ms=latency, db=db):
            yield from _in_turn(bench, peer, world, url, latency)


def _in_turn(bench: Bench, peer: Peer, world: World, url: str, latency: float) -> Iterator[Row]:
    found: dict[str, list[Measured]] = {name: [] for pair in PAIRS for name in pair}
    for _ in range(bench.repeat):
        for name, measured in found.items():
            measured.append(_measured(peer, world, url, name))
    for name, measured in found.items():
        calls = _calls(peer, world, url, name)
        least = min(measured, key=lambda one: one.wall)
        cpu = min(one.cpu for one in measured)
        memory = max(one.rss_mb for one in measured)
        case = f"{name}, {latency:.0f} ms" if latency else name
        yield Row(case, world.count, replace(least, cpu=cpu, rss_mb=memory, calls=calls))


def _measured(peer: Peer, world: World, url: str, name: str) -> Measured:
    if name in OURS:
        return _reconcile(world, *OURS[name])
    options = () if name == THEIR_PLAN else ("-refresh-only",)
    return peer.run(world, url, "plan", *options)


def _calls(peer: Peer, world: World, url: str, name: str) -> Counter[tuple[str, str]]:
    """Return the number of calls of a command, counted in a separate run."""
    if name in OURS:
        metrics = world.folder / "metrics.prom"
        _reconcile(world, *OURS[name], "--metrics-file", str(metrics))
        return calls_in(metrics)
    with counting(url) as proxy:
        _measured(peer, world, proxy.url, name)
    return Counter({(method, "200"): number for method, number in proxy.methods.items()})


def _reconcile(world: World, *arguments: str) -> Measured:
    command = (RECONCILE, "--quiet", *arguments)
    done = measure(command, folder=world.folder, environment=world.environment)
    return _checked(done, world)


def _checked(done: Measured, world: World) -> Measured:
    if done.code:
        complaint = (world.folder / "err.txt").read_text()[-2000:]
        raise RuntimeError(f"a command ended with {done.code}:\n{done.out[-2000:]}{complaint}")
    return done


def _declared(folder: Path, count: int) -> World:
    """Declare the integrations and fields that Terraform manages."""
    world = declare(folder, 0)
    for body in _bodies(count):
        path = world.files / "integrations" / f"{body['slug']}.yaml"
        path.write_text(as_yaml(body))
    return replace(world, count=count)


def _bodies(count: int) -> Iterator[dict[str, Any]]:
    for request in generated_requests(count):
        if request.method == "POST":
            body = {name: request.body[name] for name in _MODELLED if name in request.body}
            if mappings := body.get("secret_mappings"):
                body["secret_mappings"] = [_without_format(mapping) for mapping in mappings]
            yield body


def _without_format(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the fields of the provider's resource."""
    return {name: value for name, value in mapping.items() if name != "value_format"}


def _resource(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a resource; the provider takes configurations as JSON text."""
    resource = dict(body)
    if "configurations" in resource:
        resource["configurations"] = json.dumps(resource["configurations"])
    return resource


@dataclass
class CountingProxy:
    """Proxy in front of an API; `methods` counts the forwarded requests."""

    url: str
    methods: Counter[str] = field(default_factory=Counter)


@contextmanager
def counting(url: str) -> Iterator[CountingProxy]:
    """Forward connections to an API, and count the requests."""
    address, _, path = url.partition("//")[2].partition("/")
    host, _, port = address.partition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = CountingProxy(f"http://127.0.0.1:{listener.getsockname()[1]}/{path}")
    served: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # shut down at the end of the block
            server = socket.create_connection((host, int(port)))
            arguments = (client, server, proxy.methods)
            served.append(threading.Thread(target=_serve, args=arguments))
            served[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *served):
            thread.join()
        listener.close()


def _serve(client: socket.socket, server: socket.socket, methods: Counter[str]) -> None:
    """Forward one connection in both directions until the client closes it."""
    with client, server:
        back = threading.Thread(target=_forward, args=(server, client, None))
        back.start()
        _forward(client, server, methods)
        back.join()


def _forward(source: socket.socket, target: socket.socket, methods: Counter[str] | None) -> None:
    with suppress(OSError):  # one side has closed the connection
        while data := source.recv(65536):
            for method in _REQUEST.findall(data) if methods is not None else ():
                methods[method.decode()] += 1
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def ratios(rows: list[Row]) -> Iterator[str]:
    """Compare the commands with those of Terraform, and with the required ratios."""
    by_name = {(row.case, row.count): row.measured for row in rows}
    theirs = dict(PAIRS)
    for row in rows:
        ours, _, latency = row.case.partition(", ")
        if ours not in theirs:
            continue
        other = theirs[ours] + (f", {latency}" if latency else "")
        mine, peer = row.measured, by_name[other, row.count]
        most = MUST.get(row.count)
        verdict = "" if most is None else f" of at most {most}"
        yield (
            f"{row.case} ÷ {other}, N = {row.count:,}: "
            f"{mine.wall / peer.wall:.2f}{verdict} (wall), "
            f"{mine.cpu / peer.cpu:.2f} (CPU), {mine.rss_mb / peer.rss_mb:.2f} (memory), "
            f"{mine.calls.total() / max(1, peer.calls.total()):.2f} (calls)"
        )
