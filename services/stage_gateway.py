"""The gateway's side of the stage: market hub and history, through its own tick filter."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from services.market_data_gateway import words
from services.market_data_gateway.ticks import TickFilter
from services.simulator.words import MarketPush, QuotePush
from shared.core import Word
from shared.lab.world import Errand
from shared.sections import MarketDataGateway
from shared.units import SECOND, Nanos
from shared.venue import answers, codes, translate
from shared.venue import words as wire
from shared.venue.answers import AnyResponse

if TYPE_CHECKING:
    from services.stage import VenueStage

ACTOR = "market_data_gateway"
UNITS = {
    1: (codes.BarUnit.SECOND, 1),
    60: (codes.BarUnit.MINUTE, 1),
    300: (codes.BarUnit.MINUTE, 5),
}


class GatewaySide:
    """What the gateway's port would do: subscriptions, the filter, and questions about history."""

    def __init__(self, stage: VenueStage, settings: MarketDataGateway) -> None:
        self.stage, self.settings = stage, settings
        self.filter = TickFilter(settings)
        self.epoch = 0
        self.up_ns: Nanos = -1  # the hub delivers from then on; -1: no connection
        self.pipe_ns: Nanos = 0
        self.mute_ns: Nanos = 0
        self.subscribed: dict[str, None] = {}
        self.rejects = 0

    def started(self, epoch: int, now_ns: Nanos) -> Iterable[Errand]:
        self.epoch = epoch
        return self.connect(now_ns)

    def connect(self, now_ns: Nanos) -> Iterable[Errand]:
        """A new connection: nothing is subscribed on it, merged quotes are void."""
        if not self.epoch:
            return ()
        self.filter.reset()
        self.subscribed = {}
        wait_ns = self.stage.delay()
        self.up_ns = now_ns + wait_ns
        down = words.HubDown(reason="connecting")
        return (self._errand(down), self._errand(words.HubUp(), wait_ns))

    def carry(self, word: Word, now_ns: Nanos) -> Iterable[Errand]:
        match word:
            case words.Subscribe(contracts=contracts):
                self.filter.allow(contracts)
                self.subscribed = dict.fromkeys(contracts)
                return [
                    self._errand(words.Subscribed(contract=contract), self.stage.delay())
                    for contract in contracts
                ]
            case words.Find(root=root):
                request = wire.ContractSearch(search_text=root)
                return self.stage.ask(request, partial(self._found, root))
            case words.Fetch():
                return self._fetch(word)
            case words.Rejoin():
                return self.connect(now_ns)
        return ()

    def pushed(self, word: MarketPush, now_ns: Nanos) -> Iterable[Errand]:
        """A market event: through the filter to the tick lane, in order on one connection."""
        if not 0 <= self.up_ns <= now_ns or word.contract not in self.subscribed:
            return
        self.mute_ns = max(self.mute_ns, self.stage.muted_until(now_ns))
        if now_ns < self.mute_ns:
            return
        self.pipe_ns = max(self.pipe_ns, now_ns + self.stage.delay())
        if isinstance(word, QuotePush):
            content: object = wire.to_hub(word.payload)
        else:
            content = [wire.to_hub(row) for row in word.payload]
        ticks, rejects = self.filter.take(word.target, [word.contract, content], self.pipe_ns)
        self.rejects += len(rejects)
        for tick in ticks:
            yield Errand(ACTOR, tick, self.pipe_ns - now_ns, self.epoch)

    def _errand(self, word: Word, delay_ns: Nanos = 0) -> Errand:
        return Errand(ACTOR, word, delay_ns, self.epoch)

    def _found(self, root: str, response: AnyResponse | None) -> Iterable[Errand]:
        if not isinstance(response, answers.ContractsResponse):
            return (self._errand(words.Found(root=root, failure="no answer"), SECOND),)
        offers = []
        for model in answers.rows(response.contracts):
            row = translate.contract_row(model)
            offers.append(
                words.Offer(
                    contract=row.contract,
                    symbol_id=model.symbol_id or "",
                    name=row.name,
                    tick_nanos=row.tick_nanos,
                    tick_micros=row.tick_micros,
                    active=row.active,
                )
            )
        return (self._errand(words.Found(root=root, offers=tuple(offers))),)

    def _fetch(self, word: words.Fetch) -> Iterable[Errand]:
        unit, number = UNITS[word.span_s]
        start, end = translate.window(word.start_ns, word.end_ns)
        request = wire.RetrieveBars(
            contract_id=word.contract,
            start_time=start,
            end_time=end or "",
            unit=int(unit),
            unit_number=number,
            limit=word.limit,
            include_partial_bar=word.partial,
        )
        return self.stage.ask(request, partial(self._fetched, word))

    def _fetched(self, word: words.Fetch, response: AnyResponse | None) -> Iterable[Errand]:
        if not isinstance(response, answers.BarsResponse) or not response.success:
            failed = words.Fetched(request=word.request, failure="no answer")
            return (self._errand(failed),)
        rows = [translate.bar_row(model, word.contract) for model in answers.rows(response.bars)]
        bars = tuple(
            words.HistoryBar(
                open_ns=row.open_ns,
                open=row.open,
                high=row.high,
                low=row.low,
                close=row.close,
                volume=row.volume,
            )
            for row in sorted(rows, key=lambda row: row.open_ns)
        )
        return (self._errand(words.Fetched(request=word.request, bars=bars)),)
