"""`python -m tests.benchmarks`: measure the installed command and print a table.

    --quick        a dozen integrations per case, as a smoke test that counts the calls
    --only CASE    only this case; can be repeated
    --repeat N     measure each case N times (default 3)
    --out FOLDER   also write benchmarks.md and benchmarks.svg there

Wall times are reliable only on an idle machine; ratios, calls, CPU and memory are also reliable on
a busy one.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.bench import Bench, Row
from tests.benchmarks.cases import CASES

ONLINE = frozenset({"octodns"})
"""Cases that install something, which a quick run leaves out unless they are named."""


def run(bench: Bench, only: Sequence[str] = ()) -> list[Row]:
    """Measure the named cases, or all of them."""
    rows: list[Row] = []
    for name, case in CASES.items():
        if name in only or (not only and not (bench.quick and name in ONLINE)):
            for row in case(bench):
                bench.say(f"{row.case}, N = {row.count:,}: {row.measured.wall:.2f} s")
                rows.append(row)
    return rows


def main() -> None:
    """Parse the command line, measure the cases and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=list(CASES), default=[])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconcile-benchmark-") as folder:
        bench = Bench(Path(folder), quick=given.quick, repeat=given.repeat)
        rows = run(bench, given.only)
    sys.stdout.write(report.markdown(rows))
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "benchmarks.md").write_text(report.markdown(rows))
        (given.out / "benchmarks.svg").write_text(report.chart(rows))


if __name__ == "__main__":
    main()
