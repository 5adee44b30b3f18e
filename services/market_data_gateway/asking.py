"""Asking the venue for contracts and bars: each question of the core becomes exactly one answer.

Separate from the port, which owns the loop and the order of the questions, so that the World asks
the very same way without a loop.
"""

from __future__ import annotations

from typing import Any

from loguru import logger

from services.market_data_gateway import rows
from services.market_data_gateway.words import Fetch, Fetched, Find, Found
from shared.venue import answers
from shared.venue.client import VenueClient
from shared.venue.outcome import Answered, NotSent, Outcome, Unknown


async def answer(question: Find | Fetch, client: VenueClient) -> Found | Fetched:
    """What the venue says; a failure says why."""
    if isinstance(question, Find):
        return await _found(question, client)
    return await _fetched(question, client)


def failed(question: Find | Fetch, why: str) -> Found | Fetched:
    if isinstance(question, Find):
        return Found(root=question.root, failure=why)
    return Fetched(request=question.request, failure=why)


async def _found(find: Find, client: VenueClient) -> Found | Fetched:
    outcome = await client.contracts(find.root)
    if failure := _failure(outcome):
        return failed(find, failure)
    assert isinstance(outcome, Answered), "Invariant: what did not fail was answered"
    offers, complaint = rows.offers_of(answers.rows(outcome.response.contracts))
    if complaint:
        logger.warning("a contract of {} cannot be read: {}", find.root, complaint)
    return Found(root=find.root, offers=offers)


async def _fetched(fetch: Fetch, client: VenueClient) -> Found | Fetched:
    outcome = await client.bars(rows.request_of(fetch))
    if failure := _failure(outcome):
        return failed(fetch, failure)
    assert isinstance(outcome, Answered), "Invariant: what did not fail was answered"
    bars, complaint = rows.bars_of(answers.rows(outcome.response.bars), fetch.contract)
    if complaint:
        logger.warning("a bar of {} cannot be read: {}", fetch.contract, complaint)
    return Fetched(request=fetch.request, bars=bars)


def _failure(outcome: Outcome[Any]) -> str:
    """Why there is no usable answer; empty if there is one."""
    match outcome:
        case NotSent(why=why) | Unknown(why=why):
            return why or "no answer"
        case Answered(response=response) if not response.success:
            return f"code {response.error_code} {response.error_message or ''}".strip()
    return ""
