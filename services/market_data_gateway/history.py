"""Bars that must come from the venue's history: warm-up, what a gap swallowed, proof of trading.

A bar that opened while the stream was broken is never said LIVE, because trades of it may be
missing. What closed within the gap is fetched at once and the gap waits for it; the bar that was
still forming is fetched after it closed. One-second bars are fetched back `SECONDS_BACK` only.
Failed fetches are repeated with growing pauses: warm-up for ever, everything else `ATTEMPTS` times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.market_data_gateway.state import Job, Line, Purpose, State, floor
from services.market_data_gateway.words import Fetch, Fetched, HistoryBar, Remark
from shared.domain.bars import SPANS_S
from shared.events import Bar, BarOrigin, Event, WarmupDone
from shared.units import DAY, SECOND, Nanos

ATTEMPTS: Final = 5
SECONDS_BACK: Final = 300
BARS_BACK: Final = 1_500
SETTLE_NS: Final = 2 * SECOND  # the venue needs a moment to put a closed bar into its history
PAUSE_MAX_NS: Final = 60 * SECOND
LOOK_BACK_NS: Final = 5 * DAY  # over any weekend and holiday

_ORIGIN: Final = {
    Purpose.WARMUP: BarOrigin.HISTORY,
    Purpose.REPAIR: BarOrigin.REPAIRED,
    Purpose.OWED: BarOrigin.REPAIRED,
}


def pause_ns(attempts: int) -> Nanos:
    """How long to wait after so many failures in a row."""
    return min(PAUSE_MAX_NS, SECOND << min(attempts, 10))


def plan(state: State, job: Job) -> None:
    state.requests += 1
    job.request = state.requests
    state.jobs.append(job)


def plan_warmup(
    state: State, line: Line, wanted: dict[int, int], times: tuple[Nanos, Nanos]
) -> None:
    """Ask for `wanted` bars per span, up to the bar that holds `times` = (until, due)."""
    until_ns, due_ns = times
    forget(state, line.contract, Purpose.WARMUP)
    line.warm, line.warm_bars = False, 0
    for span_s, count in wanted.items():
        end_ns = floor(until_ns, span_s)
        plan(
            state,
            Job(
                request=0,
                contract=line.contract,
                span_s=span_s,
                start_ns=end_ns - count * span_s * SECOND - LOOK_BACK_NS,
                end_ns=end_ns,
                limit=count,
                purpose=Purpose.WARMUP,
                due_ns=due_ns,
            ),
        )


def plan_repair(state: State, line: Line, whole_ns: Nanos, now_ns: Nanos) -> None:
    """The stream is whole from `whole_ns`: ask for every bar that opened before, and after what is
    covered.
    """
    for span_s in SPANS_S:
        length = span_s * SECOND
        forming_ns = floor(whole_ns, span_s)
        back = SECONDS_BACK if span_s == 1 else BARS_BACK
        wanted_ns = min(line.covered_ns.get(span_s, forming_ns), _withdraw(state, line, span_s))
        first_ns = max(wanted_ns, forming_ns - back * length)
        job = Job(
            request=0,
            contract=line.contract,
            span_s=span_s,
            start_ns=first_ns,
            end_ns=forming_ns,
            limit=max(1, (forming_ns - first_ns) // length),
            purpose=Purpose.REPAIR,
            due_ns=now_ns,
        )
        if first_ns < forming_ns:
            plan(state, job)
        if forming_ns < whole_ns:
            end_ns = forming_ns + length
            plan(
                state,
                Job(
                    request=0,
                    contract=line.contract,
                    span_s=span_s,
                    start_ns=forming_ns,
                    end_ns=end_ns,
                    limit=1,
                    purpose=Purpose.OWED,
                    due_ns=end_ns + SETTLE_NS,
                ),
            )


def _withdraw(state: State, line: Line, span_s: int) -> Nanos:
    """Drop what an earlier gap still waits for, so that broken streams cannot pile up questions.

    Returns where the new question must begin to cover it.
    """
    old = [
        job
        for job in state.jobs
        if (job.contract, job.span_s) == (line.contract, span_s)
        and job.purpose in (Purpose.REPAIR, Purpose.OWED)
    ]
    state.jobs = [job for job in state.jobs if job not in old]
    return min((job.start_ns for job in old), default=1 << 62)


def plan_probe(state: State, line: Line, now_ns: Nanos) -> None:
    """Did the venue see trades after the last one we heard? Asked once at a time."""
    if any(job.purpose is Purpose.PROBE and job.contract == line.contract for job in state.jobs):
        return
    plan(
        state,
        Job(
            request=0,
            contract=line.contract,
            span_s=1,
            start_ns=floor(line.trade_ns or line.quote_ns, 1) + SECOND,
            end_ns=now_ns,
            limit=1,
            purpose=Purpose.PROBE,
            due_ns=now_ns,
        ),
    )


def forget(state: State, contract: str, purpose: Purpose | None = None) -> None:
    """Drop the jobs of a contract; an answer that still comes is ignored."""
    state.jobs = [
        job
        for job in state.jobs
        if job.contract != contract or (purpose is not None and job.purpose is not purpose)
    ]


def ask(state: State, now_ns: Nanos) -> Iterable[Event]:
    """The fetches that are due, each once."""
    for job in state.jobs:
        if job.asked or job.due_ns > now_ns:
            continue
        job.asked = True
        yield Fetch(
            request=job.request,
            contract=job.contract,
            span_s=job.span_s,
            start_ns=job.start_ns,
            end_ns=job.end_ns,
            limit=job.limit + 1,  # the venue may count the bar that opens at the end
            partial=job.purpose is Purpose.PROBE,
        )


def take(state: State, answer: Fetched, now_ns: Nanos) -> tuple[Job | None, list[Event]]:
    """Fold an answer in. Returns the job if it is finished, and what there is to say."""
    job = next((job for job in state.jobs if job.request == answer.request and job.asked), None)
    if job is None:
        return None, []
    bars = [bar for bar in answer.bars if _belongs(bar, job)]
    if not answer.failure and (bars or not _try_again(job)):
        state.jobs.remove(job)
        return job, _publish(state, job, bars)
    job.asked = False
    job.attempts += 1
    job.due_ns = now_ns + pause_ns(job.attempts)
    if job.purpose is Purpose.PROBE or (
        job.purpose is not Purpose.WARMUP and job.attempts >= ATTEMPTS
    ):
        state.jobs.remove(job)
        if job.purpose is Purpose.REPAIR:
            state.lines[job.contract].gap_lost = True
        said: list[Event] = [_remark(job, answer.failure, "given up")]
        return job, said
    if not answer.failure and job.purpose is not Purpose.WARMUP:
        return None, []
    return None, [_remark(job, answer.failure or "no bars", "asked again later")]


def _belongs(bar: HistoryBar, job: Job) -> bool:
    """History may hold more than was asked for; a bar off the grid is none of ours."""
    aligned = bar.open_ns % (job.span_s * SECOND) == 0
    return aligned and job.start_ns <= bar.open_ns < job.end_ns


def _try_again(job: Job) -> bool:
    """Is an empty answer a reason to ask again? A gap may well have had no trades."""
    return job.attempts < {Purpose.WARMUP: 3, Purpose.OWED: 1}.get(job.purpose, 0)


def _publish(state: State, job: Job, bars: list[HistoryBar]) -> list[Event]:
    if job.purpose is Purpose.PROBE:
        return []
    line = state.lines[job.contract]
    newest, origin = bars[-job.limit :], _ORIGIN[job.purpose]
    said: list[Event] = [
        Bar(
            contract=job.contract,
            span_s=job.span_s,
            open_ns=bar.open_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            origin=origin,
        )
        for bar in newest
    ]
    if job.purpose is Purpose.REPAIR:
        line.gap_bars += len(said)
    if job.purpose is Purpose.WARMUP:
        line.warm_bars += len(said)
        line.expect(newest, job.span_s * SECOND)
        said += finish_warmup(state, line)
    return said


def finish_warmup(state: State, line: Line) -> list[Event]:
    """WarmupDone once nothing of the warm-up is left to come."""
    waiting = any(
        job.purpose is Purpose.WARMUP and job.contract == line.contract for job in state.jobs
    )
    if line.warm or waiting:
        return []
    line.warm = True
    return [WarmupDone(contract=line.contract, trading_day=line.day, bars=line.warm_bars)]


def _remark(job: Job, why: str, what: str) -> Remark:
    return Remark(
        text=f"{job.purpose.value.lower()} bars of {job.span_s} s for {job.contract}: {why}; {what}"
    )
