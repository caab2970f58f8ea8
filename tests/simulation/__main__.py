"""`python -m tests.simulation --seeds N --start S [--http]`: play seeds, exit 1 on a violation."""

import argparse
import sys

from tests.simulation.campaign import Tally, run_campaign
from tests.simulation.play import run_seed


def main() -> int:
    """Play the seeds of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="number of seeds (default 1000)")
    parser.add_argument("--start", type=int, default=0, help="first seed (default 0)")
    parser.add_argument("--http", action="store_true", help="use the real HTTP client")
    parser.add_argument(
        "--story", action="store_true", help="print each story, also without a violation"
    )
    parser.add_argument(
        "--marks",
        action="store_true",
        help="count the faults, outcomes and warnings of the stories",
    )
    given = parser.parse_args()
    if given.story:
        stories = [
            run_seed(seed, over_http=given.http)
            for seed in range(given.start, given.start + given.seeds)
        ]
        _say(*stories)
        return int(any(story.violations for story in stories))
    tally = run_campaign(given.start, given.seeds, over_http=given.http)
    if given.marks:
        _say_marks(tally)
    _say(tally.report)
    return int(bool(tally.violating))


def _say_marks(tally: Tally) -> None:
    _say(f"{tally.calls:,} calls")
    for name, count in (*tally.endings.most_common(), *tally.marks.most_common()):
        _say(f"{count:7,}  {name}")


def _say(*lines: object) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
