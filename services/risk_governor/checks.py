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

from services.risk_governor.checks_conduct import (
    account_rate_is_bearable,
    holding_is_long_enough,
    messages_are_meant,
    order_is_new,
    rate_is_bearable,
    sleeve_is_on,
)
from services.risk_governor.checks_funds import margin_is_there
from services.risk_governor.checks_gap import gap_is_survivable
from services.risk_governor.checks_kind import (
    contract_is_free,
    contract_is_listed,
    day_has_quotes_left,
    day_has_trades_left,
    price_is_near,
    quote_rests,
    stop_is_given,
)
from services.risk_governor.checks_market import (
    clocks_agree,
    contract_is_covered,
    limit_is_far,
    market_is_calm,
    order_meets_no_own,
    outcomes_are_known,
    spread_is_usual,
    type_is_allowed,
)
from services.risk_governor.checks_size import (
    account_is_small,
    day_stays_bearable,
    drawdown_stays_bearable,
    floor_stays_far,
    held_risk_is_bearable,
    open_risk_is_bearable,
    order_is_small,
    position_is_small,
    trade_risk_is_bearable,
)
from services.risk_governor.checks_together import (
    contracts_are_left,
    group_bears_stress,
    kelly_bears,
    others_hold_alike,
    sleeve_is_best,
    sleeves_differ,
    slice_bears,
)
from services.risk_governor.checks_world import (
    account_is_known,
    disk_has_room,
    equity_is_known,
    feed_is_fresh,
    level_is_active,
    peers_are_alive,
    session_is_open,
)
from services.risk_governor.draft import Check

MODIFY_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    sleeve_is_on,
    session_is_open,
    account_is_known,
    peers_are_alive,
    disk_has_room,
    others_hold_alike,
    feed_is_fresh,
    clocks_agree,
    spread_is_usual,
    market_is_calm,
    price_is_near,
    limit_is_far,
    order_meets_no_own,
    quote_rests,
    rate_is_bearable,
    account_rate_is_bearable,
    messages_are_meant,
    holding_is_long_enough,
    sleeve_is_best,
)

KIND_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    sleeve_is_on,
    session_is_open,
    account_is_known,
    peers_are_alive,
    disk_has_room,
    contract_is_listed,
    feed_is_fresh,
    clocks_agree,
    spread_is_usual,
    market_is_calm,
    equity_is_known,
    type_is_allowed,
    stop_is_given,
    price_is_near,
    limit_is_far,
    contract_is_free,
    contract_is_covered,
    order_meets_no_own,
    quote_rests,
    outcomes_are_known,
    others_hold_alike,
    order_is_new,
    rate_is_bearable,
    account_rate_is_bearable,
    messages_are_meant,
    holding_is_long_enough,
    day_has_trades_left,
    day_has_quotes_left,
    sleeve_is_best,
    sleeves_differ,
)

EARLY_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    sleeve_is_on,
    session_is_open,
    account_is_known,
    peers_are_alive,
    disk_has_room,
    contract_is_listed,
    contract_is_free,
    contract_is_covered,
    outcomes_are_known,
    others_hold_alike,
    rate_is_bearable,
    account_rate_is_bearable,
    messages_are_meant,
    holding_is_long_enough,
    day_has_trades_left,
    sleeve_is_best,
    sleeves_differ,
)
"""Of the rules of kind those that `passes` asks before an order is wished ..."""

OF_ENTRIES: Final = (stop_is_given, order_is_new, day_has_trades_left, sleeves_differ)
OF_QUOTES: Final = (quote_rests, holding_is_long_enough, day_has_quotes_left)
"""Rules that pass every order of the other purpose."""


def _of_ways(checks: tuple[Check, ...]) -> dict[bool, tuple[Check, ...]]:
    """What of them is asked of an entry (True) and of a quote."""
    return {
        directional: tuple(check for check in checks if check not in other)
        for directional, other in ((True, OF_QUOTES), (False, OF_ENTRIES))
    }


ASKED_EARLY: Final = _of_ways(EARLY_CHECKS)
LATE_CHECKS: Final = _of_ways(tuple(it for it in KIND_CHECKS if it not in EARLY_CHECKS))
"""... and what is left to ask then."""

SIZE_CHECKS: Final[tuple[Check, ...]] = (
    order_is_small,
    contracts_are_left,
    position_is_small,
    account_is_small,
    trade_risk_is_bearable,
    kelly_bears,
    slice_bears,
    open_risk_is_bearable,
    group_bears_stress,
    margin_is_there,
    gap_is_survivable,
    floor_stays_far,
    drawdown_stays_bearable,
    day_stays_bearable,
)

LOOSEN_CHECKS: Final[tuple[Check, ...]] = (
    level_is_active,
    sleeve_is_on,
    session_is_open,
    account_is_known,
    peers_are_alive,
    feed_is_fresh,
    equity_is_known,
    rate_is_bearable,
    account_rate_is_bearable,
    messages_are_meant,
    held_risk_is_bearable,
    slice_bears,
    open_risk_is_bearable,
    floor_stays_far,
    drawdown_stays_bearable,
    day_stays_bearable,
)
"""For a protective stop moved away from the market, already counted at its new price: size 0."""
