"""Report of the benchmarks as Markdown and as a chart."""

import os
import platform
from collections.abc import Iterable, Sequence
from html import escape
from math import log

from tests.benchmarks import small, terraform
from tests.benchmarks.bench import Row

_HEAD = (
    "| case | N | wall s | network ÷ bound | calls | 429 | peak MB | CPU s |\n"
    "|---|--:|--:|--:|---|--:|--:|--:|\n"
)
_GROWN = ("converged plan", 1_000)
"""The case, and the smallest size, from which growth is computed."""


def markdown(rows: Sequence[Row]) -> str:
    """Return the table and the conclusions."""
    lines = [
        _about(),
        _HEAD,
        *map(_line, rows),
        "\n",
        *(f"- {sentence}\n" for sentence in conclusions(rows)),
    ]
    return "".join(lines)


def _about() -> str:
    return (
        f"Python {platform.python_version()} on {os.cpu_count()} cores; wall and network "
        "time are the minimum of the runs, memory the maximum.\n\n"
    )


def _line(row: Row) -> str:
    found = row.measured
    calls = ", ".join(f"{n:,} {method}" for method, n in found.by_method().items()) or "–"
    ratio = f"{row.ratio:.2f}" if row.ratio else "–"
    refused = f"{found.throttled:.1%}" if found.throttled else "–"
    count = f"{row.count:,}" if row.count else "–"
    return (
        f"| {row.case} | {count} | {found.wall:.2f} | {ratio} | {calls} | {refused} "
        f"| {found.rss_mb:.0f} | {found.cpu:.2f} |\n"
    )


def conclusions(rows: Sequence[Row]) -> Iterable[str]:
    """Return the comparisons of rows: growth, calls and start-up."""
    by_case: dict[str, list[Row]] = {}
    for row in rows:
        by_case.setdefault(row.case, []).append(row)
    grown = [row for row in by_case.get(_GROWN[0], []) if row.count >= _GROWN[1]]
    if len(grown) > 1:
        yield from _growth(grown[0], grown[-1])
    for row in by_case.get("incremental drift", []):
        times = 2 * row.count / row.measured.calls.total()
        yield f"drift --incremental, N = {row.count:,}: {times:.0f} times fewer calls than 2 each"
    least, plan = by_case.get("minimal client"), by_case.get("converged plan", [])
    for row in plan:
        if least and row.count == least[0].count:
            ratio = row.measured.wall / least[0].measured.wall
            yield f"converged plan ÷ minimal client: {ratio:.2f} (wall)"
    yield from small.ratios(rows)
    yield from terraform.ratios(list(rows))


def _growth(small: Row, large: Row) -> Iterable[str]:
    few, many = small.measured, large.measured
    figures = (
        ("wall", few.wall, many.wall),
        ("CPU", few.cpu, many.cpu),
        ("memory", few.rss_mb, many.rss_mb),
    )
    for name, before, after in figures:
        exponent = log(after / before) / log(large.count / small.count)
        yield f"growth of {name} from {small.count:,} to {large.count:,}: N^{exponent:.2f}"


def chart(rows: Sequence[Row]) -> str:
    """Draw network ÷ bound for every case with a bound; 1.0 is the minimum."""
    bars = [(f"{row.case}, {row.count:,}", row.ratio) for row in rows if row.ratio]
    width, left, step, unit = 780, 270, 26, 240
    height = 56 + step * len(bars)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        "<title>Time on the network as a multiple of the minimum</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="20">Time on the network ÷ minimum (1.0)</text>',
    ]
    for number, (label, ratio) in enumerate(bars):
        y = 36 + number * step
        length = min(ratio, 1.9) * unit
        parts += [
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{left}" y="{y}" width="{length:.0f}" height="18" fill="#4184c4"/>',
            f'<text x="{left + length + 6:.0f}" y="{y + 13}">{ratio:.2f}</text>',
        ]
    x = left + unit
    parts.append(f'<path d="M{x} 30V{height - 14}" stroke="#cf222e" stroke-dasharray="4 3"/>')
    return "\n".join([*parts, "</svg>\n"])
