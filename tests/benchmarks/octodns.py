"""Comparison with octoDNS, which loads a zone from YAML and plans it against existing records.

It runs in a separate virtual environment, which is created once in the folder of the benchmark.
"""

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.measuring import Measured, measure

VERSION = "1.22.0"
_CONFIG = """\
providers:
  source: {class: octodns.provider.yaml.YamlProvider, directory: ./source, enforce_order: false}
  target: {class: octodns.provider.yaml.YamlProvider, directory: ./target, enforce_order: false,
           supports_root_ns: true}
zones:
  example.com.: {sources: [source], targets: [target]}
"""


def plan(bench: Bench, count: int) -> Measured:
    """Plan a zone of `count` records, of which 1 % differ."""
    program = _installed(bench.folder / "octodns-venv")
    folder = bench.folder / f"octodns-{count}"
    for name, address in (("source", 1), ("target", 2)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "example.com.yaml").write_text(_zone(count, address))
    (folder / "config.yaml").write_text(_CONFIG)
    command = [str(program), "--config-file", "config.yaml", "--force"]
    done = measure(command, folder=folder, environment={"PATH": "", "LANG": "C.UTF-8"})
    if done.code:
        raise RuntimeError(f"octodns-sync ended with {done.code}: {folder / 'err.txt'}")
    return done


def _zone(count: int, address: int) -> str:
    return "".join(
        f"seed-{number:05d}:\n  octodns: {{}}\n  ttl: 300\n  type: A\n"
        f"  value: 192.0.2.{address if number % 100 == 0 else 9}\n"
        for number in range(count)
    )


def _installed(venv: Path) -> Path:
    program = venv / "bin" / "octodns-sync"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"octodns=={VERSION}"], check=True)
    return program
