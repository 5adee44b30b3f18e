"""What tests tell the router's bench, and what they read from it, in a few verbs."""

from __future__ import annotations

from typing import Any

from services.order_router import words as w
from shared.events import (
    CancelApproved,
    Flatten,
    FlattenProgress,
    ModifyApproved,
    OrderState,
    OrderType,
    Scope,
)
from shared.units import SECOND
from tests.support.router_bench import Bench
from tests.support.router_venue import M2K, MNQ


def states(bench: Bench, intent_id: str) -> list[OrderState]:
    found = [update.state for update in bench.updates(intent_id)]
    return [state for i, state in enumerate(found) if i == 0 or found[i - 1] is not state]


def cancel(bench: Bench, target: str, contract: str = MNQ) -> None:
    bench.n += 1
    bench.tell(
        CancelApproved(
            intent_id=f"trend.77.{bench.n}",
            target=target,
            sleeve="trend",
            contract=contract,
            reason="asked for",
        )
    )


def modify(bench: Bench, target: str, **prices: Any) -> None:
    bench.n += 1
    bench.tell(
        ModifyApproved(
            intent_id=f"trend.77.{bench.n}",
            target=target,
            sleeve="trend",
            contract=MNQ,
            halt_no=prices.pop("halt_no", bench.halt_no),
            deadline_real_ns=prices.pop("deadline_real_ns", bench.real_ns + 2 * SECOND),
            **prices,
        )
    )


def words(bench: Bench, kind: type) -> list[Any]:
    return [word for _, _, said in bench.tape for word in said if isinstance(word, kind)]


def net_stops(bench: Bench) -> list[tuple[int, int | None]]:
    return [(o.size, o.stop_price) for o in bench.resting(M2K) if o.type is OrderType.STOP]


def flatten(bench: Bench, scope: Scope = Scope.ACCOUNT, **fields: str) -> None:
    bench.halt_no += 1
    bench.tell(Flatten(halt_no=bench.halt_no, scope=scope, cause="test", **fields))


def stages(bench: Bench) -> list[str]:
    found = [e.stage.value for e in bench.said if isinstance(e, FlattenProgress)]
    return [stage for i, stage in enumerate(found) if i == 0 or found[i - 1] != stage]


def closes(bench: Bench) -> list[w.CloseContract]:
    return words(bench, w.CloseContract)
