"""The board in Prometheus' words: one prefix, base units, labels sleeve, contract, actor, reason.

A gauge whose source has gone stale is left out of the answer instead of repeating its last value:
an absent series alerts, a frozen one lies. Counters are since this process started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.metrics_exporter import earned, rows
from services.metrics_exporter.core import GOVERNOR, ROUTER, Board
from services.metrics_exporter.verdict import Level, quote_age_s, unprotected_s, unready, verdict
from shared.domain.rules.telling import alarms, used_percent
from shared.events import RiskLevel, Room
from shared.units import SECOND, USD

PREFIX: Final = "topstepquant_"
Samples = Iterable[tuple[tuple[str, ...], float]]


class BoardCollector(Collector):
    """Reads the board at every scrape; holds nothing itself."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        yield from self._system()
        if not self._board.stale(self._board.risk):
            yield from self._risk()
        if not self._board.stale(self._board.venue):
            yield from self._venue()
        yield from self._market()
        yield from self._positions()
        yield from self._sleeves()
        yield from self._earned()
        yield from self._counters()

    def _system(self) -> Iterator[Metric]:
        board = self._board
        word = verdict(board).level
        levels = [((level.name,), float(level.name == word)) for level in Level]
        yield gauge("verdict", "Am I safe: 1 for the word that holds.", levels, "reason")
        yield gauge("ready", "1 when /readyz answers 200.", [((), float(not unready(board)))])
        ages = [((actor,), board.age_s(life)) for actor, life in sorted(board.lives.items())]
        yield gauge("heartbeat_age_seconds", "Since the last heartbeat.", ages, "actor")
        depth = [((actor,), float(life.inbox)) for actor, life in sorted(board.lives.items())]
        yield gauge("bus_queue_depth", "Messages waiting in an actor's inbox.", depth, "actor")
        restarts = [((actor,), life.restarts) for actor, life in sorted(board.lives.items())]
        yield counter("actor_restarts_total", "New lives of an actor.", restarts, "actor")
        if board.risk is not None:
            age = [((), board.age_s(board.risk))]
            yield gauge("risk_age_seconds", "Since the governor last told its numbers.", age)

    def _risk(self) -> Iterator[Metric]:
        assert self._board.risk is not None, "Invariant: what is not stale was said"
        risk, limits = self._board.risk.value, self._board.settings.risk_governor
        layers = [((layer.rule,), layer) for layer in risk.layers]
        levels = [((level.name,), float(level is risk.level)) for level in RiskLevel]
        yield gauge("risk_level", "1 for the level that holds.", levels, "reason")
        yield dollars("session_net_dollars", "Conservative net of the session.", risk.session_net)
        yield dollars("open_risk_dollars", "What open positions may lose.", risk.open_risk)
        room = [(label, layer.room / USD) for label, layer in layers]
        yield gauge("rule_room_dollars", "To each line of the day.", room, "reason")
        used = [(label, used_percent(layer) / 100) for label, layer in layers]
        yield gauge("rule_used_ratio", "Share of the way to each line gone.", used, "reason")
        alarm = float(bool(alarms(risk)))
        yield gauge("alarm", "1 while a person must look at once.", [((), alarm)])
        yield gauge("recovery", "1 while sizes are halved.", [((), float(risk.recovery))])
        yield from self._rooms(risk.rooms)
        yield gauge("paused", "1 while the operator paused entries.", [((), float(risk.paused))])
        yield gauge("entries_today", "Directional entries today.", [((), float(risk.trades_today))])
        held = [((one.key,), 1.0) for one in risk.latches]
        yield gauge("latch_held", "1 for each reason the governor holds.", held, "reason")
        news = [((one.key,), 1.0) for one in risk.latches if one.level is RiskLevel.ACTIVE]
        yield gauge("alert", "1 for each thing that is told and forbids nothing.", news, "reason")
        yield dollars("payable_dollars", "A payout that may be asked for.", risk.payable)
        if risk.firm is not None and risk.firm.pays:
            after = risk.firm.floor_after
            yield dollars("floor_after_payout_dollars", "The floor once one is booked.", after)
        yield gauge("winning_days", "Since the last payout.", [((), float(risk.winning_days))])
        budgets = [((sleeve,), slice_ / USD) for sleeve, slice_ in risk.budgets]
        yield gauge("sleeve_budget_dollars", "A sleeve's slice of the day.", budgets, "sleeve")
        if not risk.next_rule:
            return
        yield dollars("equity_conservative_dollars", "Longs at bid, shorts at ask.", risk.equity)
        yield dollars("floor_dollars", "The firm's maximum loss limit.", risk.floor)
        yield dollars("floor_distance_dollars", "Equity above the floor.", risk.equity - risk.floor)
        yield dollars("kill_level_dollars", "Equity at which we flatten.", risk.kill_level)
        yield dollars("headroom_dollars", "To the nearest level that acts.", risk.headroom)
        trades = max(0, risk.headroom // (limits.trade_risk * USD))
        yield gauge(
            "headroom_contracts", "Full-risk losing trades in the headroom.", [((), float(trades))]
        )

    def _rooms(self, rooms: tuple[Room, ...]) -> Iterator[Metric]:
        fits = [((room.contract,), float(room.contracts)) for room in rooms]
        yield gauge("room_contracts", "How many more the headroom bears.", fits, "contract")
        far = [((room.contract,), float(room.ticks)) for room in rooms if room.price]
        yield gauge("room_price_steps", "Ticks to the next rule.", far, "contract")

    def _venue(self) -> Iterator[Metric]:
        assert self._board.venue is not None, "Invariant: what is not stale was said"
        venue = self._board.venue.value
        state = [((venue.state.value,), 1.0)]
        yield gauge("venue_state", "1 for the state that holds.", state, "reason")
        unknown = [((), float(venue.unknown_orders))]
        yield gauge("unknown_orders", "Orders whose outcome is unknown.", unknown)
        quota = [((), float(venue.quota_left))]
        yield gauge("rest_quota_remaining", "Requests left in this minute.", quota)

    def _market(self) -> Iterator[Metric]:
        board = self._board
        ages = [
            ((contract,), age)
            for contract in sorted(board.quotes)
            if (age := quote_age_s(board, contract)) is not None
        ]
        yield gauge("feed_age_seconds", "Since the newest quote was received.", ages, "contract")
        if board.feed is not None:
            state = [((board.feed.value.state.value,), 1.0)]
            yield gauge("feed_state", "1 for the state that holds.", state, "reason")
        if board.phase is not None:
            left = (board.phase.value.flat_by_ns - board.now_ns) / SECOND
            yield gauge("time_to_flat_seconds", "Market time to the flat-by time.", [((), left)])

    def _positions(self) -> Iterator[Metric]:
        board = self._board
        if board.silent(ROUTER):
            return
        held = sorted(board.positions.items())
        lots = [((contract,), float(seen.value.position)) for contract, seen in held]
        yield gauge("position_contracts", "Net position, signed.", lots, "contract")
        naked = [((contract,), unprotected_s(board, contract)) for contract, _ in held]
        yield gauge("naked_position_seconds", "Time without a full stop.", naked, "contract")
        working: dict[tuple[str, ...], float] = {}
        for seen in board.orders.values():
            key = (seen.value.sleeve, seen.value.contract)
            working[key] = working.get(key, 0) + 1
        items = sorted(working.items())
        yield gauge("working_orders", "Live orders at the venue.", items, "sleeve contract")

    def _sleeves(self) -> Iterator[Metric]:
        board = self._board
        if board.silent(GOVERNOR):
            return
        views = rows.sleeves(board)
        lots = [((view.sleeve,), float(view.position)) for view in views]
        yield gauge("sleeve_position_contracts", "A sleeve's net position.", lots, "sleeve")
        net = [((view.sleeve,), view.net_dollars) for view in views if view.net_dollars is not None]
        yield gauge("sleeve_net_dollars", "Realised less fees plus open.", net, "sleeve")
        today = [((name,), float(total.contracts)) for name, total in sorted(board.totals.items())]
        yield gauge("contracts_traded_today", "Contracts filled this trading day.", today, "sleeve")
        regimes = [((view.sleeve, view.regime), 1.0) for view in views if view.regime]
        yield gauge("sleeve_regime", "The market a sleeve is in.", regimes, "sleeve reason")
        waits = [((view.sleeve,), float(view.sheltered)) for view in views if view.regime]
        yield gauge("sleeve_sheltered", "1: not a market it opens in.", waits, "sleeve")
        numbers = [
            ((view.sleeve, name), float(value))
            for view in views
            if not view.stale
            for name, value in sorted(view.numbers.items())
        ]
        yield gauge("sleeve_number", "A sleeve's own indicator.", numbers, "sleeve reason")

    def _earned(self) -> Iterator[Metric]:
        """Of this trading day; an owner's averages are absent until he has closed a round trip."""
        day = earned.attribution(self._board.attribution)
        owners = [row for row in day.earned if row.owner != earned.ACCOUNT]
        trips = [((row.owner,), float(row.trips)) for row in owners]
        yield gauge("round_trips_today", "Round trips closed today.", trips, "sleeve")
        for name, text, values in (
            ("win_ratio", "Share of round trips won.",
             [(row.owner, row.win_percent, 0.01) for row in owners]),
            ("expectancy_dollars", "Net of the average round trip.",
             [(row.owner, row.expectancy_dollars, 1.0) for row in owners]),
            ("adverse_excursion_dollars", "MAE of the average round trip.",
             [(row.owner, row.adverse_dollars, 1.0) for row in owners]),
            ("favourable_excursion_dollars", "MFE of the average round trip.",
             [(row.owner, row.favourable_dollars, 1.0) for row in owners]),
        ):  # fmt: skip
            known = [((who,), value * unit) for who, value, unit in values if value is not None]
            yield gauge(name, text, known, "sleeve")
        kinds: dict[tuple[str, ...], float] = {}
        for slip in day.slips:
            key = (slip.owner, slip.type)
            kinds[key] = kinds.get(key, 0) + slip.ticks * slip.contracts
        text = "Ticks lost against the expected price, over contracts; negative is better."
        yield gauge("slippage_ticks_today", text, sorted(kinds.items()), "sleeve reason")
        if day.unexplained_dollars is not None:
            moved = [((), day.unexplained_dollars)]
            yield gauge("unexplained_dollars", "Balance moved without a trade today.", moved)

    def _counters(self) -> Iterator[Metric]:
        counts = self._board.counts
        orders = sorted(counts.orders.items())
        yield counter("orders_total", "Orders that reached a state.", orders, "sleeve reason")
        vetoes = sorted(counts.vetoes.items())
        yield counter("vetoes_total", "Vetoes by rule.", vetoes, "sleeve reason")
        fills = sorted(counts.fills.items())
        yield counter("fills_total", "Fills.", fills, "sleeve contract")
        contracts = sorted(counts.contracts.items())
        yield counter("contracts_total", "Contracts filled.", contracts, "sleeve contract")
        fees = [((sleeve,), amount / USD) for sleeve, amount in sorted(counts.fees.items())]
        yield counter("fees_dollars_total", "Fees of fills.", fees, "sleeve")
        gaps = [((contract,), count) for contract, count in sorted(counts.gaps.items())]
        yield counter("feed_gaps_total", "Gaps in the ticks.", gaps, "contract")
        mismatches = [((), counts.mismatches)]
        yield counter("reconcile_mismatch_total", "Reconciliations that differed.", mismatches)
        yield counter("flattens_total", "Flattens proven flat.", [((), counts.flattens)])
        if counts.flattens:
            took = [((), self._board.flatten_seconds)]
            yield gauge("flatten_duration_seconds", "How long the last flatten took.", took)


def gauge(name: str, text: str, samples: Samples, labels: str = "") -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels.split())
    for values, value in samples:
        family.add_metric(values, value)
    return family


def counter(name: str, text: str, samples: Samples, labels: str = "") -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels.split())
    for values, value in samples:
        family.add_metric(values, value)
    return family


def dollars(name: str, text: str, amount: int) -> Metric:
    return gauge(name, text, [((), amount / USD)])


class Exposition:
    """Prometheus' text of a board, in a registry of its own."""

    def __init__(self, board: Board) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(BoardCollector(board))

    def text(self) -> bytes:
        return generate_latest(self._registry)
