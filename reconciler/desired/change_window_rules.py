"""Rules for `windows` and `freeze` of a target in reconcile.yaml.

The types are those of `reconciler.domain.policy`, which are checked elsewhere; a value of another
type has no rules here.
"""

from zoneinfo import available_timezones

from reconciler.desired.problem_collector import ProblemCollector, SourceOrigin
from reconciler.desired.suggestions import did_you_mean
from reconciler.domain.change_windows import (
    DAYS,
    EXAMPLE,
    InvalidWindow,
    UnknownZone,
    end_of_freeze,
    parse_hours,
    time_zone,
    zone_of_freeze,
)
from reconciler.domain.policy import ChangeWindow, Freeze
from reconciler.domain.tree import Tree, Value
from reconciler.domain.valid_values import built, errors_in

_HOURS_HINT = (
    f"write days and hours such as `{EXAMPLE}`, with days of {', '.join(DAYS)}; "
    "`00:00-24:00` is the whole day"
)
_UNTIL_HINT = (
    "write the last day of the freeze, such as `2027-01-02`, or `2027-01-02T08:00:00+01:00`"
)


def check_change_times(target: Tree, here: SourceOrigin, problems: ProblemCollector) -> None:
    """Report the mistakes in the windows and the freeze of one target."""
    windows, freeze = target.get("windows"), target.get("freeze")
    if isinstance(windows, list):
        if not windows:
            hint = "remove it, or add a window; without windows, changes are applied at any time"
            problems.error("invalid-value", "`windows` is empty", here.at("windows"), hint=hint)
        for index, window in enumerate(windows):
            if isinstance(window, dict):
                _check_window(window, here.at("windows", index), problems)
    if isinstance(freeze, dict):
        _check_freeze(freeze, windows, here.at("freeze"), problems)


def _check_window(window: Tree, here: SourceOrigin, problems: ProblemCollector) -> None:
    allow, risks = window.get("allow"), window.get("risks")
    if isinstance(allow, str):
        try:
            parse_hours(allow)
        except InvalidWindow as problem:
            summary = f"`allow` {problem}"
            problems.error("invalid-value", summary, here.at("allow"), hint=_HOURS_HINT)
    _check_zone(window.get("zone"), here.at("zone"), problems)
    if isinstance(risks, list) and not risks:
        hint = "remove it, so that the window applies to every change, or list risks"
        problems.error("invalid-value", "`risks` is empty", here.at("risks"), hint=hint)


def _check_zone(name: Value, here: SourceOrigin, problems: ProblemCollector) -> bool:
    """Report a zone that does not exist; return whether there is one."""
    if not isinstance(name, str):
        return False
    try:
        time_zone(name)
    except UnknownZone as problem:
        if problem.lacks_zones:
            summary = f"time zone `{name}` cannot be read: this machine has no time zone database"
            hint = "install it with `pip install tzdata`, or write the hours in `zone: UTC`"
            problems.error("no-time-zones", summary, here, hint=hint)
            return False
        near = did_you_mean(name, available_timezones())
        hint = near or "write the name of a zone such as `Europe/Berlin` or `UTC`"
        problems.error("invalid-value", "`zone` is not a time zone", here, hint=hint)
        return False
    return True


def _check_freeze(
    freeze: Tree, windows: Value, here: SourceOrigin, problems: ProblemCollector
) -> None:
    reason, until = freeze.get("reason"), freeze.get("until")
    if isinstance(reason, str) and not reason.strip():
        hint = "state why nothing is applied; the reason is shown when an apply is refused"
        problems.error("invalid-value", "`reason` is empty", here.at("reason"), hint=hint)
    zone = freeze.get("zone")
    if zone is not None and not _check_zone(zone, here.at("zone"), problems):
        return
    if not isinstance(until, str):
        return
    try:
        end_of_freeze(until, time_zone(zone if isinstance(zone, str) else "UTC"))
    except InvalidWindow as problem:
        hint = _UNTIL_HINT
        problems.error("invalid-value", f"`until` {problem}", here.at("until"), hint=hint)
        return
    if errors_in(Freeze, freeze):
        return  # reported with the types of all fields
    try:
        zone_of_freeze(built(Freeze, freeze), _valid_windows(windows))
    except InvalidWindow as problem:
        hint = "add `zone: …` to `freeze`, such as `zone: Europe/Berlin`"
        problems.error("missing-field", f"`freeze` {problem}", here, hint=hint, key=True)


def _valid_windows(windows: Value) -> list[ChangeWindow]:
    """Return the windows of valid types; the others are reported elsewhere."""
    listed = windows if isinstance(windows, list) else []
    return [
        built(ChangeWindow, window)
        for window in listed
        if isinstance(window, dict) and not errors_in(ChangeWindow, window)
    ]
