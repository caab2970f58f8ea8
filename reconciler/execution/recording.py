"""Join the events of a run to its record in the ledger.

The record is complete on disk when the listener returns, so a call is announced before it is sent.
A ledger that fails in the middle of a run raises out of `emit`.
"""

from typing import assert_never

from reconciler.execution.events import (
    ActionEnded,
    ActionStarted,
    CallEnded,
    CallStarted,
    Emit,
    Event,
    RunEnded,
    RunStarted,
)
from reconciler.ledger.recorder import Recorder


def record_in(recorder: Recorder) -> Emit:
    """Make a listener that writes every event of one run to its record."""

    def listen(event: Event) -> None:
        match event:
            case RunStarted(plan=plan):
                recorder.run_started(plan)
            case CallStarted(action=action, call=call):
                recorder.call_started(action, call)
            case CallEnded(action=action, request_id=request_id, error=error):
                recorder.call_ended(action, request_id=request_id, error=error)
            case ActionEnded(action=action, outcome=outcome):
                recorder.action_ended(action, outcome.as_json())
            case RunEnded(result=result):
                recorder.run_ended(result.summary)
            case ActionStarted():
                pass  # the calls that follow say it
            case _:
                assert_never(event)

    return listen
