"""`tsq rules list|show [PACK]|diff A B|explain RULE`: the firm's numbers, and what a rule is for.

A pack shows each fact with its value, where and when it was read, and how sure it is; dollars as
the files state them. `explain` takes the code of a veto or the key of a latch and shows what the
rule is for, the settings behind it as they are now, and the facts of the pack in force.
"""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from scripts.console import CommandError, Exit, report
from shared import rulebook
from shared.domain.rules.book import BOOK
from shared.domain.rules.book_entry import Entry
from shared.domain.rules.pack import FIELDS, PackError, RulePack, key_of
from shared.rulebook import Pack
from shared.settings import Settings, load
from shared.units import USD

NAMES_WANTED = {"list": 0, "show": 1, "diff": 2, "explain": 1}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=tuple(NAMES_WANTED))
    parser.add_argument("names", nargs="*", help="packs (show: else the one in force), or a rule")


def run(args: argparse.Namespace) -> Exit:
    settings, wanted = load(), NAMES_WANTED[args.what]
    if args.what == "show" and not args.names:
        args.names = [settings.risk_governor.rules]
    if len(args.names) != wanted:
        raise CommandError(
            f"rules {args.what} takes {wanted or 'no'} name{'' if wanted == 1 else 's'}", Exit.USAGE
        )
    if args.what == "list":
        return listing(args, settings)
    if args.what == "explain":
        return explain(args, settings)
    packs = [pack_named(name) for name in args.names]
    return show(args, packs[0]) if args.what == "show" else diff(args, packs[0], packs[1])


def pack_named(name: str) -> Pack:
    try:
        return rulebook.pack(name)
    except PackError as error:
        raise CommandError(str(error), Exit.USAGE) from None


def listing(args: argparse.Namespace, settings: Settings) -> Exit:
    """Every pack; the one the governor goes by is marked."""
    force = settings.risk_governor.rules
    rows = [
        {
            "name": name,
            "in_force": name == force,
            "maximum_loss": rules.maximum_loss // USD,
            "daily_loss": rules.daily_loss // USD,
            "minis": rules.position_tenths // 10,
        }
        for name, rules in settings.packs.items()
    ]
    lines = [
        f"{'*' if row['in_force'] else ' '} {row['name']:<40} maximum loss {row['maximum_loss']:,},"
        f" daily loss {row['daily_loss']:,}, {row['minis']} minis"
        for row in rows
    ]
    report(args, "\n".join([*lines, "* in force for the governor"]), {"packs": rows})
    return Exit.OK


def facts_of(pack: Pack) -> dict[str, dict[str, Any]]:
    """Every fact of a pack: its value as it counts, and its evidence."""
    found = {}
    for field in FIELDS:
        key = key_of(field)
        one = pack.found.get(key)
        known = one is not None and one.fact.confidence != "unknown"
        found[key] = {
            "value": one.fact.value if one and known else plain(pack.rules, field),
            "source": one.source if one else "",
            "read": one.fact.read if one else "",
            "confidence": one.fact.confidence if one else "unknown",
            "file": one.file if one else "",
        }
    return found


def plain(rules: RulePack, field: str) -> Any:
    """The strictest value that a field took, in its own unit."""
    return msgspec.to_builtins(getattr(rules, field))


def show(args: argparse.Namespace, pack: Pack) -> Exit:
    facts = facts_of(pack)
    lines = [pack.rules.name]
    for key, one in facts.items():
        lines.append(f"  {key:<22} {text(one['value']):<28} {evidence(one)}")
    report(args, "\n".join(lines), {"pack": pack.rules.name, "facts": facts})
    return Exit.OK


def evidence(one: dict[str, Any]) -> str:
    if not one["source"]:
        return "unknown: the strictest value"
    doubt = ": the strictest value" if one["confidence"] == "unknown" else ""
    return f"{one['confidence']}{doubt}, {one['source']}, read {one['read']}"


def text(value: Any) -> str:
    """A value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {text(one)}" for key, one in value.items())
    return str(value) or "-"


def diff(args: argparse.Namespace, first: Pack, second: Pack) -> Exit:
    """What two packs say differently."""
    left, right = facts_of(first), facts_of(second)
    names = (first.rules.name, second.rules.name)
    differing = {
        key: {names[0]: left[key]["value"], names[1]: right[key]["value"]}
        for key in left
        if left[key]["value"] != right[key]["value"]
    }
    lines = [f"- {names[0]}", f"+ {names[1]}"] if differing else ["no fact differs"]
    for key in differing:
        lines += [
            f"  {key:<22} - {text(left[key]['value'])}",
            f"  {'':<22} + {text(right[key]['value'])}  ({evidence(right[key])})",
        ]
    report(args, "\n".join(lines), {"packs": names, "differs": differing})
    return Exit.OK


def entry_of(rule: str) -> Entry:
    """The book's row of a rule, by its exact id, else whatever its letters' case."""
    exact = BOOK.get(rule)
    found = [entry for key, entry in BOOK.items() if key.lower() == rule.lower()]
    if exact is None and not found:
        raise CommandError(f"no rule {rule!r}; there are {', '.join(BOOK)}", Exit.USAGE)
    return exact or found[0]


def explain(args: argparse.Namespace, settings: Settings) -> Exit:
    entry = entry_of(args.names[0])
    pack = pack_named(settings.risk_governor.rules)
    facts = facts_of(pack)
    values = {path: value_at(settings, path) for path in entry.settings}
    lines = [
        f"{entry.rule}: {entry.name}",
        f"  what    {entry.what}",
        f"  why     {entry.why}",
        f"  clears  {entry.clears}",
    ]
    lines += [f"  setting {path} = {text(value)}" for path, value in values.items()]
    lines += [
        f"  firm    {key} = {text(facts[key]['value'])}  ({evidence(facts[key])})"
        for key in entry.facts
    ]
    told = msgspec.to_builtins(entry) | {
        "settings": values,
        "facts": {key: facts[key] for key in entry.facts},
        "pack": pack.rules.name,
    }
    report(args, "\n".join(lines), told)
    return Exit.OK


def value_at(settings: Settings, path: str) -> Any:
    found: Any = settings
    for part in path.split("."):
        found = getattr(found, part)
    return msgspec.to_builtins(found)
