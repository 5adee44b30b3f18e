"""Who earned what: every sleeve's profit, fees, round trips and slippage, from fills alone.

A folder of words that were said anyway, so the page and `tsq report` fold the same class and agree.
Books come from the same `Ledger` the governor trusts; money therefore sums to the account's, to the
micro-dollar, whatever else is judged here.

A *round trip* is one owner's way in one contract from flat to flat. Its *excursions* (MAE, MFE) are
the least and the most it was worth on the way, before fees, by the one-second bars that began after
it did and by its own fills: the second in which it began is left out, because nobody can tell what
of that bar came before the fill. A fill the venue takes back is a fill of the other side at its own
price: the money stays exact, the count of trips then tells the correction as what it was.

*Slippage* is what a fill cost against the price that was expected, in ticks, bad ones positive: for
what trades at once the side it had to trade with when the governor approved it, for a stop its own
stop price, for a limit that rests its own price, for a close of a flatten the last one-second bar.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from shared.contracts import UnknownContract, product_of
from shared.domain.ledger import Ledger, worth
from shared.domain.sessions import Calendar, OutsideCalendar
from shared.events import (
    AccountUpdate,
    Bar,
    Event,
    Fill,
    OrderApproved,
    OrderType,
    OrderUpdate,
    Purpose,
)
from shared.units import HOUR, Lots, Micros, Nanos, Ticks

SAID_BY: Final[dict[str, tuple[type[Event], ...]]] = {
    "market_data_gateway": (Bar,),
    "risk_governor": (OrderApproved,),
    "order_router": (AccountUpdate, Fill, OrderUpdate),
}
"""Whose words are folded; the governor repeats the router's, which are heard from the router."""

TRIPS_KEPT: Final = 200  # the newest, to look at; the sums are of all
EXPECTED_MAX: Final = 2_048  # orders whose price is remembered until they fill
DAY_ENDS: Final = 17  # o'clock in Chicago
NO_HOUR: Final = -1  # of a fill outside the calendar


class Trip(Struct):
    """One owner's round trip. `lots` signed and held now; `cash`, `least`, `most` in tick-lots."""

    owner: str
    contract: str
    side: int
    opened_ns: Nanos
    closed_ns: Nanos = 0
    lots: Lots = 0
    size: Lots = 0  # the most ever held
    cash: int = 0
    fees: Micros = 0
    least: int = 0
    most: int = 0

    def mark(self, price: Ticks) -> None:
        now = self.cash + self.lots * price
        self.least = min(self.least, now)
        self.most = max(self.most, now)

    def gross(self) -> Micros:
        """Profit before fees of one that is closed."""
        return self.cash * product_of(self.contract).tick_micros

    def excursions(self) -> tuple[Micros, Micros]:
        """MAE and MFE: never above, never below zero."""
        worth_tick = product_of(self.contract).tick_micros
        return self.least * worth_tick, self.most * worth_tick


class Tally(Struct):
    """Sums over an owner's closed round trips. Money in micro-dollars, net of fees."""

    trips: int = 0
    wins: int = 0
    losses: int = 0
    won: Micros = 0
    lost: Micros = 0  # negative
    best: Micros = 0
    worst: Micros = 0
    adverse: Micros = 0  # sum of MAE, negative
    favourable: Micros = 0  # sum of MFE
    held_ns: Nanos = 0

    def add(self, trip: Trip) -> None:
        net = trip.gross() - trip.fees
        adverse, favourable = trip.excursions()
        self.trips += 1
        self.adverse += adverse
        self.favourable += favourable
        self.held_ns += trip.closed_ns - trip.opened_ns
        self.best, self.worst = max(self.best, net), min(self.worst, net)
        if net > 0:
            self.wins += 1
            self.won += net
        elif net < 0:
            self.losses += 1
            self.lost += net

    def join(self, other: Tally) -> None:
        """Add another owner's sums."""
        self.trips += other.trips
        self.wins += other.wins
        self.losses += other.losses
        self.won += other.won
        self.lost += other.lost
        self.best, self.worst = max(self.best, other.best), min(self.worst, other.worst)
        self.adverse += other.adverse
        self.favourable += other.favourable
        self.held_ns += other.held_ns

    def each(self, total: int) -> int:
        """A total's share of one trip, rounded towards zero; 0 while there is none."""
        return 0 if not self.trips else abs(total) // self.trips * (1 if total > 0 else -1)

    def expectancy(self) -> Micros:
        """Net of the average trip."""
        return self.each(self.won + self.lost)


class Slip(Struct):
    """Fills of one kind in one hour. `ticks`: sum over contracts, bad ones positive."""

    fills: int = 0
    lots: Lots = 0
    ticks: int = 0
    worst: int = 0  # of one fill, ticks

    def add(self, other: Slip) -> None:
        self.fills += other.fills
        self.lots += other.lots
        self.ticks += other.ticks
        self.worst = max(self.worst, other.worst)


class Expected(Struct, frozen=True):
    """What an order should trade at (None: nobody knows), and its own price as last told."""

    type: OrderType
    price: Ticks | None
    own: Ticks | None


class Money(Struct, frozen=True):
    """Of an owner or the account, micro-dollars: `net` is profit with what is open, less fees."""

    net: Micros
    fees: Micros
    fills: int
    lots: Lots  # sides traded


class Attribution(Struct):
    """One trading day's, fed with events in the order they were said. Bounded."""

    day: str = ""
    ledger: Ledger = field(default_factory=Ledger)
    open: dict[str, Trip] = {}  # "owner contract" -> its trip
    trips: list[Trip] = []  # closed, the newest last
    tallies: dict[str, Tally] = {}
    traded: dict[str, tuple[int, Lots]] = {}  # owner -> (fills, sides)
    slips: dict[tuple[str, str, int], Slip] = {}  # (owner, order type, hour in Chicago)
    expected: dict[str, Expected] = {}  # by tag
    leaving: dict[str, Ticks] = {}  # "owner contract" -> what its exit at market should trade at
    closes: dict[str, Ticks] = {}  # last one-second bar
    balance: Micros | None = None  # the venue's, as last told
    start: Micros | None = None  # of it without this day's trades, when it was first told flat

    def observe(self, event: Event, calendar: Calendar) -> None:
        """Fold a word of router, governor or gateway; kinds it has no use for change nothing."""
        match event:
            case Bar() if event.span_s == 1:
                self._on_bar(event)
            case OrderApproved():
                self._on_approved(event)
            case OrderUpdate():
                self._on_update(event)
            case Fill():
                self._on_fill(event, calendar)
            case AccountUpdate():
                self.balance = event.balance
                if self.start is None and self.ledger.flat():
                    self.start = event.balance - self.account().net

    def turn(self, day: str) -> Attribution:
        """The one to go on with when it is `day`: a new one, unless something is still held."""
        if day == self.day or not self.ledger.flat():
            return self
        return Attribution(
            day=day,
            expected=self.expected,
            closes=self.closes,
            balance=self.balance,
            start=self.balance,
        )

    def owners(self) -> list[str]:
        """Everyone who traded, by name."""
        return sorted(self.traded)

    def of(self, owner: str) -> Money:
        """An owner's money, what is open marked at the last bar (or at its cost without one)."""
        net = fees = 0
        for contract, desk in self.ledger.desks.items():
            book = desk.owners.get(owner)
            if book is not None:
                mark = self._mark(contract, book.position.lots, book.position.cost)
                net += worth(book.position, mark) * product_of(contract).tick_micros
                fees += book.fees
        return Money(net - fees, fees, *self.traded.get(owner, (0, 0)))

    def account(self) -> Money:
        """The sum over all owners: the account's."""
        parts = [self.of(owner) for owner in self.owners()]
        return Money(
            sum(part.net for part in parts),
            sum(part.fees for part in parts),
            sum(part.fills for part in parts),
            sum(part.lots for part in parts),
        )

    def unexplained(self) -> Micros | None:
        """What the venue's balance moved without a trade of this day; None while it cannot be told
        (something is held, or no balance is known).
        """
        if self.start is None or self.balance is None or not self.ledger.flat():
            return None
        return self.balance - self.start - self.account().net

    # -- folding -----------------------------------------------------------------------------------

    def _mark(self, contract: str, lots: Lots, cost: int) -> Ticks:
        known = self.closes.get(contract)
        return known if known is not None else cost // lots if lots else 0

    def _on_bar(self, bar: Bar) -> None:
        self.closes[bar.contract] = bar.close
        for trip in self.open.values():
            if trip.contract == bar.contract and bar.open_ns >= trip.opened_ns:
                trip.mark(bar.low)
                trip.mark(bar.high)

    def _on_approved(self, order: OrderApproved) -> None:
        own = _own_price(order)
        price = own if order.touch is None else order.touch
        self._expect(order.tag, Expected(order.type, price, own))
        if order.purpose is Purpose.EXIT and order.touch is not None:
            self.leaving[f"{order.sleeve} {order.contract}"] = order.touch

    def _on_update(self, order: OrderUpdate) -> None:
        """A new price of its own is a new expectation, but for a take-profit that the router puts
        through the market because the sleeve leaves: that one is the sleeve's exit at market.
        """
        own, known = _own_price(order), self.expected.get(order.tag)
        if own is None or (known is not None and known.own == own):
            return
        touch = self.leaving.get(f"{order.sleeve} {order.contract}")
        if known is not None and touch is not None and order.purpose is Purpose.TAKE_PROFIT:
            self._expect(order.tag, Expected(OrderType.MARKET, touch, own))
        else:
            self._expect(order.tag, Expected(order.type, own, own))

    def _expect(self, tag: str, expected: Expected) -> None:
        self.expected.pop(tag, None)
        self.expected[tag] = expected
        if len(self.expected) > EXPECTED_MAX:
            del self.expected[next(iter(self.expected))]

    def _on_fill(self, fill: Fill, calendar: Calendar) -> None:
        try:
            product_of(fill.contract)
        except UnknownContract:
            return  # somebody else's business, and nobody knows what its tick is worth
        parts = self.ledger.apply(fill)
        fee = -fill.fee if fill.voided else fill.fee
        for owner, lots in parts:
            self._book(owner, lots, fill, fee)
            fills, sides = self.traded.get(owner, (0, 0))
            change = -1 if fill.voided else 1
            self.traded[owner] = (fills + change, sides + change * abs(lots))
            fee = 0  # the ledger books it with the first
        if parts and not fill.voided:
            self._slip(parts[0][0], fill, _hour(fill.venue_ns, calendar))

    def _book(self, owner: str, lots: Lots, fill: Fill, fee: Micros) -> None:
        """Take a part into the owner's trip: what closes it ends it, the rest begins another."""
        key = f"{owner} {fill.contract}"
        trip = self.open.get(key)
        if trip is not None and trip.lots * lots < 0 and abs(lots) > abs(trip.lots):
            closing = -trip.lots
            share = fee * abs(closing) // abs(lots)
            self._book(owner, closing, fill, share)
            lots, fee, trip = lots - closing, fee - share, None
        if trip is None:
            side = 1 if lots > 0 else -1
            trip = self.open[key] = Trip(owner, fill.contract, side, fill.venue_ns)
        trip.lots += lots
        trip.cash -= lots * fill.price
        trip.fees += fee
        trip.size = max(trip.size, abs(trip.lots))
        trip.mark(fill.price)
        if not trip.lots:
            trip.closed_ns = max(fill.venue_ns, trip.opened_ns)
            del self.open[key]
            self.leaving.pop(key, None)
            self.tallies.setdefault(owner, Tally()).add(trip)
            self.trips.append(trip)
            del self.trips[:-TRIPS_KEPT]

    def _slip(self, owner: str, fill: Fill, hour: int) -> None:
        expected = self.expected.get(fill.tag)
        price, kind = (expected.price, expected.type.value) if expected else (None, "")
        if fill.purpose is Purpose.FLATTEN:
            price, kind = self.closes.get(fill.contract), Purpose.FLATTEN.value
        if price is None:
            return
        ticks = (fill.price - price) * fill.side
        one = Slip(1, fill.size, ticks * fill.size, ticks)
        self.slips.setdefault((owner, kind, hour), Slip()).add(one)


def _own_price(order: OrderApproved | OrderUpdate) -> Ticks | None:
    return order.limit_price if order.stop_price is None else order.stop_price


def _hour(now_ns: Nanos, calendar: Calendar) -> int:
    """The hour in Chicago, 0 to 23, counted back from 17:00 of the trading day."""
    try:
        left = calendar.at(now_ns).ends_ns - now_ns
    except OutsideCalendar:
        return NO_HOUR
    return (DAY_ENDS * HOUR - left) // HOUR % 24
