"""Effect of signals, and the messages about them."""

import pytest

from reconciler.cli import signals


@pytest.mark.parametrize("kind", [KeyboardInterrupt, signals.Terminated])
def test_a_signal_at_the_prompt_reports_that_nothing_was_done(
    kind: type[KeyboardInterrupt],
) -> None:
    async def ask(handler: signals.SignalHandler) -> None:
        with handler.suspended():
            raise kind

    with pytest.raises(kind) as caught:
        signals.run(ask, if_interrupted="nothing was written")
    assert signals.message(caught.value).endswith("; nothing was written")
