"""The rules of an order that may open risk: small functions in a tuple; the order is a decision.

Cheapest and most fatal first: what forbids every order (level, hours, venue, peers, feed) before
what forbids this kind of order (stop, price, owner, rate, count) before what forbids this size. The
last group is asked again with smaller sizes, so that a veto can name the largest that would pass.
Missing information refuses: there is no rule that passes because it does not know.

Exits come to none of these; see `intents`. Every limit is inclusive: at the limit passes, one more
does not, except levels of equity and loss, where touching counts as the firm counts it.
"""

from __future__ import annotations

from typing import Final

from services.risk_governor.checks_kind import (
    contract_is_free,
    contract_is_listed,
    day_has_quotes_left,
    day_has_trades_left,
    price_is_near,
    rate_is_bearable,
    stop_is_given,
)
from services.risk_governor.checks_size import (
    account_is_small,
    day_stays_bearable,
    drawdown_stays_bearable,
    floor_stays_far,
    open_risk_is_bearable,
    order_is_small,
    position_is_small,
    trade_risk_is_bearable,
)
from services.risk_governor.checks_world import (
    account_is_known,
    equity_is_known,
    feed_is_fresh,
    level_is_active,
    peers_are_alive,
    session_is_open,
)
from services.risk_governor.draft import Check

MODIFY_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    session_is_open,
    account_is_known,
    peers_are_alive,
    feed_is_fresh,
    price_is_near,
    rate_is_bearable,
)

KIND_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    session_is_open,
    account_is_known,
    peers_are_alive,
    contract_is_listed,
    feed_is_fresh,
    equity_is_known,
    stop_is_given,
    price_is_near,
    contract_is_free,
    rate_is_bearable,
    day_has_trades_left,
    day_has_quotes_left,
)

SIZE_CHECKS: Final[tuple[Check, ...]] = (
    order_is_small,
    position_is_small,
    account_is_small,
    trade_risk_is_bearable,
    open_risk_is_bearable,
    floor_stays_far,
    drawdown_stays_bearable,
    day_stays_bearable,
)

LOOSEN_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    account_is_known,
    peers_are_alive,
    feed_is_fresh,
    equity_is_known,
    open_risk_is_bearable,
    floor_stays_far,
    drawdown_stays_bearable,
    day_stays_bearable,
)
"""For a protective stop moved away from the market, already counted at its new price: size 0."""
