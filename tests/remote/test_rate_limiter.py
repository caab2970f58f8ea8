"""Parameters of the rate limiter, tested one at a time with a manual clock."""

import asyncio

import pytest

from reconciler.remote.errors import DeadlineExceeded, Throttled
from reconciler.remote.retry import Deadline
from tests.remote.limiter import LimiterProbe


def tenths(count: int, *, start: float = 0.0) -> list[float]:
    return [start + number / 10 for number in range(count)]


def test_before_the_first_refusal_there_is_no_wait() -> None:
    probe = LimiterProbe()
    assert probe.departures(1000) == [0.0] * 1000
    assert probe.clock.slept == []


def test_a_retry_after_is_observed_exactly() -> None:
    probe = LimiterProbe()
    probe.refused(7.0, at=3.0)
    assert probe.leaves() == 10.0
    assert probe.clock.slept == [7.0]
    assert probe.limiter.throttled == 1


def test_the_later_end_of_two_pauses_counts() -> None:
    probe = LimiterProbe()
    late = Throttled("no", code="AB06", retry_after=1.0)
    probe.refused(7.0, at=3.0)
    probe.limiter.pause(late, sent_at=3.0)
    assert probe.leaves() == 10.0
    assert probe.limiter.throttled == 2


@pytest.mark.parametrize(
    ("random", "pauses"),
    [
        (1.0, [0.5, 1, 2, 4, 8, 16, 20, 20, 20, 20, 20, 20, 20]),
        (0.5, [0.25, 0.5, 1, 2, 4, 8, 10, 10]),
        (0.0, [0.05] * 3),
    ],
)
def test_a_default_pause_doubles_while_no_call_is_accepted(
    random: float, pauses: list[float]
) -> None:
    probe = LimiterProbe(random=random)
    seen = []
    for _ in pauses:
        probe.refused()
        before = probe.clock.now
        probe.fails_to_leave()
        seen.append(probe.clock.now - before)
        probe.clock.now += 60  # so that the rate is no reason to wait
    assert seen == pytest.approx(pauses)


def test_one_accepted_call_resets_the_default_pause() -> None:
    probe = LimiterProbe(random=1.0)
    for _ in range(5):
        probe.refused()
        probe.fails_to_leave()
        probe.clock.now += 60
    probe.leaves()
    probe.refused(at=1000.0)
    assert probe.leaves() == 1000.5


@pytest.mark.parametrize(
    ("asked", "deadline", "hint"),
    [
        (301.0, None, "run again later: the API asks to wait 301 s, too long for a run"),
        (301.0, 10.0, "run again later: the API asks to wait 301 s, too long for a run"),
        (60.0, 60.0, "allow more time with --deadline: the API asks to wait 60 s"),
    ],
)
def test_an_excessive_pause_ends_the_run_with_a_reason(
    asked: float, deadline: float | None, hint: str
) -> None:
    probe = LimiterProbe(deadline=deadline)
    with pytest.raises(Throttled) as caught:
        probe.refused(asked)
    assert caught.value.hint == hint


@pytest.mark.parametrize(("asked", "deadline"), [(300.0, None), (60.0, 60.1)])
def test_a_pause_at_the_limit_is_observed(asked: float, deadline: float | None) -> None:
    probe = LimiterProbe(deadline=deadline)
    probe.refused(asked)
    assert probe.leaves() == asked


def test_a_wait_beyond_the_deadline_fails_at_once() -> None:
    probe = LimiterProbe(deadline=10.0)
    probe.refused(9.0)
    probe.clock.now = 0.5
    probe.limiter._deadline = Deadline(probe.clock.clock.clock, 8.5)
    with pytest.raises(DeadlineExceeded) as caught:
        probe.leaves()
    error = caught.value
    assert error.summary == "the run's deadline comes before the rate limit allows the next call"
    assert error.hint == "allow more time with --deadline, or run again later"
    assert (error.code, error.attempts, probe.clock.slept) == ("deadline", 0, [])


def test_the_calls_accepted_in_the_window_determine_the_rate() -> None:
    probe = LimiterProbe()
    probe.all_leave(tenths(40))
    probe.refused(2.0, at=4.0)
    assert probe.leaves() == 6.0
    assert probe.pace() == pytest.approx(0.99 * 19 / 2)  # those after 2.0 and until 4.0


def test_a_pause_of_less_than_a_second_is_measured_over_a_second() -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 2 for moment in tenths(40))
    probe.refused(0.25, at=2.0)
    assert probe.leaves() == 2.25
    assert probe.pace() == pytest.approx(0.99 * 19)


def test_the_last_of_several_refused_calls_ends_the_window() -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 2 for moment in tenths(60))
    for left in (2.5, 2.0):
        probe.limiter.pause(Throttled("no", code="AB06", retry_after=1.0), sent_at=left)
    assert probe.leaves() > 3.0
    assert probe.pace() == pytest.approx(0.99 * 20)


def test_calls_are_sent_evenly_and_a_late_one_is_followed_sooner() -> None:
    probe = LimiterProbe()
    probe.all_leave(tenths(20))
    probe.refused(2.0, at=1.95)
    step = 1 / 9.9
    expected = [3.95, 3.95 + step - 0.1, *(3.95 + step * number - 0.1 for number in range(2, 20))]
    assert probe.departures(20) == pytest.approx(expected)
    # Twenty calls are in the window of two seconds: the next is sent when the first leaves the
    # window.
    assert probe.leaves() == pytest.approx(3.95 + 2.0 + 0.002)


def test_a_call_is_in_the_window_until_its_response_minus_the_fastest_latency() -> None:
    probe = LimiterProbe()
    for moment in tenths(20):
        probe.leaves(at=moment, takes=0.25)
    probe.refused(2.0, at=1.95)
    left = [asyncio.run(probe.limiter.acquire()) for _ in range(20)]
    answered = left[-1] + 0.25
    probe.clock.now = answered
    for moment in left:
        probe.limiter.release(moment, counted=True)
    assert probe.leaves() == pytest.approx(answered + 2.0 - 0.25 + 0.002)


def test_calls_in_flight_count_in_the_window_until_one_is_returned() -> None:
    probe = LimiterProbe()
    probe.all_leave(tenths(20))
    probe.refused(2.0, at=1.95)
    left = [asyncio.run(probe.limiter.acquire()) for _ in range(20)]
    probe.clock.slept.clear()
    probe.clock.at_sleep[5] = lambda: probe.limiter.release(left[0], counted=False)
    asyncio.run(probe.limiter.acquire())
    assert probe.clock.slept[1:] == [0.1] * 4  # a twentieth of the window, again and again


@pytest.mark.parametrize(("accepted", "guessing"), [(15, True), (16, False)])
def test_a_rate_is_measured_from_sixteen_accepted_calls_or_more(
    accepted: int, guessing: bool
) -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 10 for moment in tenths(accepted))
    probe.refused(1.0, at=0.5)
    probe.leaves()
    assert probe.pace() == pytest.approx(4.0 if guessing else 0.99 * 16)


@pytest.mark.parametrize(("accepted", "pace"), [(3, 4.0), (4, 0.99 * 4)])
def test_four_later_calls_confirm_the_rate_and_fewer_start_a_search(
    accepted: int, pace: float
) -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 10 for moment in tenths(20))
    probe.refused(1.0, at=0.5)
    probe.leaves()
    probe.all_leave(100.0 + number / 5 for number in range(accepted))
    probe.refused(1.0, at=100.9)
    probe.leaves()
    assert probe.pace() == pytest.approx(pace)


def test_a_search_doubles_every_second_for_twenty_seconds() -> None:
    probe = LimiterProbe()
    probe.refused(1.0)
    assert probe.leaves() == 1.0
    paces = [probe.pace(at=1.0 + seconds) for seconds in (0, 1, 2, 20, 21)]
    assert paces == pytest.approx([4, 8, 16, 4 * 2**20, 4 * 2**20])
    assert probe.pace(at=0.0) == 4.0


def test_a_failed_search_restarts_at_half_and_at_least_one_call_in_two_seconds() -> None:
    probe = LimiterProbe()
    probe.refused(1.0)
    begins = []
    for _ in range(5):
        left = asyncio.run(probe.limiter.acquire())
        begins.append(probe.pace(at=left))
        probe.limiter.pause(Throttled("no", code="AB06", retry_after=1.0), sent_at=left + 1e-6)
        probe.limiter.release(left, counted=False)
    assert begins == pytest.approx([4.0, 0.98 * 2, 0.98**2, 0.5, 0.5], rel=1e-5)


def test_a_refused_rate_is_lowered_although_the_count_allows_more() -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 20 for moment in tenths(100))
    probe.refused(1.0, at=0.5)
    probe.leaves()
    first = probe.pace()
    probe.all_leave(moment / 10 for moment in tenths(99, start=500.0))
    probe.refused(1.0, at=50.985)
    probe.leaves()
    assert first == pytest.approx(0.99 * 100)
    assert probe.pace() == pytest.approx(0.98 * first)


@pytest.mark.parametrize(("window", "patience"), [(1.0, 60.0), (2.0, 60.0), (60.0, 300.0)])
def test_a_rate_grows_by_one_percent_per_window_after_a_long_time_without_refusal(
    window: float, patience: float
) -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 10 for moment in tenths(20))
    probe.refused(window, at=0.5)
    since = probe.leaves()
    first = 0.99 * 20 / window
    assert probe.pace(at=since + patience) == pytest.approx(first)
    assert probe.pace(at=since + patience + window) == pytest.approx(1.01 * first)
    assert probe.pace(at=since + patience + 50 * window) == pytest.approx(1.5 * first)


def test_a_late_response_from_before_the_pause_does_not_change_the_rate() -> None:
    probe = LimiterProbe()
    probe.all_leave(moment / 10 for moment in tenths(20))
    probe.refused(1.0, at=0.5)
    probe.leaves()
    before = probe.pace()
    probe.limiter.pause(Throttled("no", code="AB06", retry_after=1.0), sent_at=1.5)
    probe.clock.now = 10.0
    probe.leaves()
    assert probe.pace() == before


def test_an_uncounted_call_has_no_effect() -> None:
    probe = LimiterProbe()
    for _ in range(20):
        left = asyncio.run(probe.limiter.acquire())
        probe.limiter.release(left, counted=False)
    probe.refused(1.0)
    probe.leaves()
    assert probe.pace() == 4.0
