"""Orders to ask for, near and far from the market, and how a refusal is read."""

from __future__ import annotations


def below(trader, ticks=40):
    """A price at which a buy rests and a sell stop waits."""
    return trader.quote()[0] - ticks * 0.25


def above(trader, ticks=40):
    return trader.quote()[1] + ticks * 0.25


def refused(reply):
    """The text of a rejected order, which exists all the same."""
    assert reply.status == 200
    assert (reply.body["success"], reply.body["errorCode"]) == (False, 2)
    assert isinstance(reply.body["orderId"], int)
    return reply.body["errorMessage"]


def modify(trader, order, **members):
    return trader.post("Order/modify", {"accountId": trader.account, "orderId": order, **members})


def cancel(trader, order, account=None):
    return trader.post("Order/cancel", {"accountId": account or trader.account, "orderId": order})
