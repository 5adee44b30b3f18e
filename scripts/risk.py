"""`tsq risk why|show|vetoes|actions`: what the governor decided, and why, in sentences.

`why INTENT` reads the sleeve's journal for the wish and the governor's for its answer: the rule,
its numbers, what would have passed. `actions` lists what was done unasked, each with a name that
`why` explains too (`scripts/risk_actions.py`). `vetoes` adds what the refused entries would have
done (`scripts/counterfactual.py`). These read files only and work with nothing running. `show` asks
the living governor for its level, its latches and how far away the next rule is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from scripts import counterfactual, risk_actions, risk_lines
from scripts.console import CommandError, Exit, ask_governor, report, var_of, who
from scripts.risk_actions import said_inputs
from services.risk_governor.checks import KIND_CHECKS, SIZE_CHECKS
from shared.domain.rules.book import BOOK
from shared.domain.rules.explain import headline, numbers, sentence, spoken
from shared.events import RiskLevel
from shared.runtime import journal, paths
from shared.runtime.journal import Corrupt
from shared.runtime.replay import cat

GOVERNOR = "risk_governor"
ANSWERS = ("OrderApproved", "OrderVetoed", "ModifyApproved", "CancelApproved")
WISHES = ("OrderIntent", "ModifyIntent", "CancelIntent")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("why", "show", "vetoes", "actions"),
        help="why INTENT: the rule and numbers behind one answer or deed; show: how far every limit"
        " is, and what holds; vetoes: what refused entries would have done; actions: what was done"
        " unasked",
    )
    parser.add_argument(
        "intent",
        nargs="?",
        help="why: an intent id, <sleeve>.<life>.<number>, or a name that `actions` tells",
    )
    parser.add_argument("--day", help="trading day; all that are kept when left out")


def run(args: argparse.Namespace) -> Exit:
    if args.what == "show":
        return show(args)
    root = paths.journal_root(var_of(args))
    if args.what == "why" and not args.intent:
        raise CommandError(
            "why of what? An intent id, <sleeve>.<life>.<number>, or a name that `tsq risk actions`"
            " tells",
            Exit.USAGE,
        )
    known = journal.days(root, GOVERNOR)
    if not known or args.day not in (None, *known):
        day = f" of {args.day}" if args.day else ""
        there = f"; there are {', '.join(known)}" if known else ""
        raise CommandError(f"no journal of the governor{day} in {root}{there}", Exit.USAGE)
    try:
        return {"why": why, "vetoes": vetoes, "actions": actions}[args.what](args, root)
    except Corrupt as error:
        raise CommandError(str(error), Exit.CHECK_FAILED) from None


def said(root: Path, lane: str, day: str | None) -> Iterator[dict[str, Any]]:
    """Every event a lane said, oldest first, with its instant under `time_ns`."""
    for name in journal.days(root, lane):
        path = journal.find(root, name, lane)
        if path is None or day not in (None, name):
            continue
        for line in cat(path):
            if line.kind == "said":
                yield {**line.content["event"], "time_ns": line.content["time_ns"]}


# -- why -------------------------------------------------------------------------------------------


def why(args: argparse.Namespace, root: Path) -> Exit:
    intent_id = args.intent or ""
    sleeve = intent_id.rsplit(".", 2)[0]
    answer = _find(said(root, GOVERNOR, args.day), intent_id, ANSWERS)
    if answer is None or intent_id.startswith(f"{GOVERNOR}."):
        return _why_done(args, root, intent_id)
    wish = _find(said(root, f"sleeve_{sleeve}", args.day), intent_id, WISHES)
    found = explained(wish, answer)
    report(args, found["text"], found)
    return Exit.OK


def _why_done(args: argparse.Namespace, root: Path, ref: str) -> Exit:
    """The last deed of this name."""
    found = None
    for one in risk_actions.deeds(said(root, GOVERNOR, args.day)):
        found = one if one.ref == ref else found
    if found is None:
        raise CommandError(
            f"neither an answer to {ref!r} nor a deed of that name stands in the governor's"
            " journal; an intent is <sleeve>.<life>.<number>, deeds: tsq risk actions",
            Exit.USAGE,
        )
    text = "\n".join(found.lines())
    report(args, text, msgspec.to_builtins(found) | {"text": text})
    return Exit.OK


def actions(args: argparse.Namespace, root: Path) -> Exit:
    """Everything done unasked, with its rule and numbers."""
    rows = list(risk_actions.deeds(said(root, GOVERNOR, args.day)))
    lines = [f"{risk_lines.clock(row.time_ns)}  {row.ref:<28} {_in_short(row)}" for row in rows]
    report(args, "\n".join(lines) or "nothing was done unasked", msgspec.to_builtins(rows))
    return Exit.OK


def _in_short(row: risk_actions.Deed) -> str:
    said = numbers(row.rule, row.limit, row.actual, largest=row.largest)
    return f"{row.what}; {row.rule}: {said}"


def _find(
    events: Iterator[dict[str, Any]], intent_id: str, kinds: tuple[str, ...]
) -> dict[str, Any] | None:
    """The first event of these kinds with this intent id: an answer repeated is the same one."""
    for event in events:
        if event["t"] in kinds and event["intent_id"] == intent_id:
            return event
    return None


def explained(wish: dict[str, Any] | None, answer: dict[str, Any]) -> dict[str, Any]:
    """The wish, the answer and the sentence, as one object for people and programs."""
    lines = [_asked(wish)] if wish is not None else []
    found: dict[str, Any] = {"intent_id": answer["intent_id"], "answer": answer["t"]}
    if answer["t"] == "OrderVetoed":
        rule, limit, actual = answer["rule"], answer["limit"], answer["actual"]
        largest, detail = answer.get("largest", 0), answer.get("detail", "")
        lines.append(
            f"VETOED {rule}: " + sentence(rule, limit, actual, largest=largest, detail=detail)
        )
        inputs = answer.get("inputs", {})
        if inputs:
            lines.append(f"It knew: {said_inputs(inputs)}")
        found |= {
            "rule": rule, "limit": limit, "actual": actual, "largest": largest, "detail": detail,
            "inputs": inputs,
        }  # fmt: skip
    elif answer["t"] == "OrderApproved":
        found |= _approved(wish, answer, lines)
    else:
        lines.append(f"{answer['t']} for {answer['target']}")
    return found | {"text": "\n".join(lines), "wish": wish or {}}


def _approved(
    wish: dict[str, Any] | None, answer: dict[str, Any], lines: list[str]
) -> dict[str, Any]:
    """What an approved order passed. An exit is only ever sized by what is held."""
    bound, purpose = answer.get("bound", ""), answer["purpose"]
    checks = []
    if purpose not in ("EXIT", "FLATTEN"):
        checks = [check.__name__ for check in (*KIND_CHECKS, *SIZE_CHECKS)]
    asked = answer["size"] if wish is None else wish.get("size", answer["size"])
    size = spoken("contracts", answer["size"])
    lines.append(f"APPROVED {size} of {asked} asked, as {answer['tag']} ({purpose})")
    if bound:
        lines.append(f"Made smaller by {bound}: {_whole_refused(bound, answer)}{BOOK[bound].what}")
    lines.append(
        f"It passed {len(checks)} rules: {', '.join(checks)}"
        if checks
        else "It only closes what is held, so no rule of risk was asked."
    )
    return {
        "size": answer["size"], "asked": asked, "bound": bound, "checks": checks,
        "grounds": answer.get("grounds", {}),
    }  # fmt: skip


def _whole_refused(bound: str, answer: dict[str, Any]) -> str:
    """The rule's numbers for the size that was asked."""
    grounds = answer.get("grounds")
    if not grounds:
        return f"{BOOK[bound].name}. "
    limit, actual = grounds.get("limit", 0), grounds.get("actual", 0)
    return headline(bound, limit, actual, largest=grounds.get("largest", 0)) + " "


def _asked(wish: dict[str, Any]) -> str:
    if wish["t"] != "OrderIntent":
        return f"{wish['intent_id']} wanted {wish['t']} of {wish['target']}: {wish['reason']}"
    side = "BUY" if wish["side"] > 0 else "SELL"
    stop = wish.get("stop_loss_ticks")
    bracket = f", stop {stop} ticks away" if stop else ""
    order = f"{side} {wish['size']} {wish['contract']} {wish['type']}{bracket}"
    return f"{wish['intent_id']} wanted {order}: {wish['reason']}"


# -- vetoes and show -------------------------------------------------------------------------------


def vetoes(args: argparse.Namespace, root: Path) -> Exit:
    """Every refused entry, what it would have done, and the sum per rule."""
    rows = counterfactual.ledger(root, args.day)
    lines = [
        f"{row['intent_id']:<28} {row['rule']:<18} {row['fate']:<9} {spoken('usd', row['net'])}"
        for row in rows
    ]
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        found = sums.setdefault(row["rule"], {"vetoes": 0, "net": 0})
        found["vetoes"] += 1
        found["net"] += row["net"]
    lines += [
        f"{rule}: {n['vetoes']} refused, together they would have made {spoken('usd', n['net'])}"
        for rule, n in sorted(sums.items())
    ]
    report(args, "\n".join(lines) or "no refused entry", {"vetoes": rows, "rules": sums})
    return Exit.OK


def show(args: argparse.Namespace) -> Exit:
    answer = ask_governor(var_of(args), "status", {"who": who(), "cause": "tsq risk show"})
    state = risk_lines.state_in(answer)
    if state is None:
        raise CommandError(f"no state in the governor's answer: {answer}", Exit.UNSAFE)
    report(args, "\n".join(risk_lines.shown(state)), answer["state"])
    return Exit.OK if state.level is RiskLevel.ACTIVE else Exit.REFUSED
