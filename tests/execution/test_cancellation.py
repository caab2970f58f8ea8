"""Cancel token: requests from any thread, callbacks, and waiting in an event loop."""

import asyncio
import threading

from reconciler.execution.cancellation import CancelToken


def test_the_first_reason_is_kept_and_passed_to_each_callback_once() -> None:
    token = CancelToken()
    reasons: list[str] = []
    token.add_callback(reasons.append)
    assert not token.requested
    token.request("first")
    token.request("second")
    assert (token.requested, token.reason, reasons) == (True, "first", ["first"])


def test_a_callback_added_after_the_request_is_called_at_once() -> None:
    token = CancelToken()
    reasons: list[str] = []
    token.request("")
    token.add_callback(reasons.append)
    assert (token.requested, reasons) == (True, [""])


def test_a_removed_callback_is_not_called() -> None:
    token = CancelToken()
    reasons: list[str] = []
    token.add_callback(reasons.append)
    token.remove_callback(reasons.append)
    token.request("interrupted")
    assert reasons == []


def test_a_callback_may_request_again() -> None:
    parent, child = CancelToken(), CancelToken()
    parent.add_callback(child.request)
    child.add_callback(parent.request)
    parent.request("interrupted")
    assert (parent.reason, child.reason) == ("interrupted", "interrupted")


def test_a_request_from_another_thread_wakes_waiters() -> None:
    token = CancelToken()

    async def main() -> None:
        waiters = [asyncio.create_task(token.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        threading.Thread(target=token.request, args=("interrupted",)).start()
        async with asyncio.timeout(20):
            await asyncio.gather(*waiters)
            await token.wait()  # already requested

    asyncio.run(main())
    assert token.requested


def test_a_request_after_the_end_of_the_loop_is_ignored() -> None:
    token = CancelToken()

    async def main() -> None:
        waiter = asyncio.create_task(token.wait())
        await asyncio.sleep(0)
        waiter.cancel()

    asyncio.run(main())
    token.request("interrupted")
    assert token.reason == "interrupted"
