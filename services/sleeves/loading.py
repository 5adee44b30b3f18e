"""From a name in the settings to a sleeve: finds the class, checks its parameters.

Whatever is wrong is said with the settings' path of it (`sleeves.trend.params.stop_ticks`), before
the process hears a single event: a sleeve that runs with other numbers than the trader wrote down
is worse than one that does not start.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from msgspec import Struct

from services.sleeves.base import Sleeve
from services.sleeves.desk import Desk
from services.sleeves.params import ParamError, checked, tuned
from services.sleeves.sound import wrong_class, wrong_wishes
from shared.sections import Sleeve as Section
from shared.settings import Settings, SettingsError

OTHERS_MAX: Final = 4  # products a sleeve may listen to beside its own
ELSEWHERE: Final = {
    "on_tick": "on_quote or on_trade",
    "on_data": "on_bar",
    "on_quote_tick": "on_quote",
    "on_trade_tick": "on_trade",
    "on_order_filled": "on_fill",
    "on_order_book": "on_depth",
    "on_init": "prepare",
}
"""Handlers of other platforms, and what they are called here."""


def section_of(name: str, settings: Settings) -> Section:
    """The sleeve's table in the settings. Raises SettingsError listing those there are."""
    if name not in settings.sleeves:
        known = ", ".join(sorted(settings.sleeves))
        raise SettingsError(f"settings: no section sleeves.{name}; there are {known}")
    return settings.sleeves[name]


def sleeve_class(name: str, implementation: str) -> type[Sleeve]:
    """The class behind `pkg.mod:Class`, from anywhere Python can import. Raises SettingsError."""
    where = f"settings: sleeves.{name}.implementation was {implementation!r}"
    module_name, colon, class_name = implementation.partition(":")
    if not (module_name and colon and class_name):
        raise SettingsError(f"{where}, expected pkg.mod:Class")
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a trader's module raises on import
        raise SettingsError(
            f"{where}: importing it raised {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Sleeve)):
        what = "has no such class" if found is None else "is not a subclass of Sleeve"
        raise SettingsError(f"{where}: {module_name} {what}")
    if wrong := _misspelt(found):
        known = ", ".join(name for name in sorted(vars(Sleeve)) if name.startswith("on_"))
        other = f" ({ELSEWHERE[wrong]} here)" if wrong in ELSEWHERE else ""
        raise SettingsError(f"{where}: {wrong} is no handler{other}; there are {known}")
    if wrong := wrong_class(found):
        raise SettingsError(f"{where}: {wrong}")
    return found


def prepared(name: str, kind: type[Sleeve], desk: Desk, table: Mapping[str, Any]) -> Sleeve:
    """The sleeve with its parameters. Raises SettingsError, also for what its author raises."""
    try:
        params = checked(kind.Params, table)
    except ParamError as error:
        raise SettingsError(f"settings: sleeves.{name}.params{error}") from None
    return _made(name, kind, desk, params)


def retuned(name: str, sleeve: Sleeve, changes: Mapping[str, Any]) -> Struct:
    """The parameters of `sleeve` with `changes` to tunable ones, as it would take them.

    Nothing of `sleeve` changes. Raises SettingsError for a structural or unknown parameter, one
    out of its range, and what its author's `prepare` says of several together.
    """
    kind = type(sleeve)
    try:
        params = tuned(sleeve.params, changes)
    except ParamError as error:
        raise SettingsError(f"sleeves.{name}.params{error}") from None
    _made(name, kind, Desk(name, kind.contracts_max), params)
    return params


def _made(name: str, kind: type[Sleeve], desk: Desk, params: Struct) -> Sleeve:
    try:
        sleeve = kind(desk, params)
        wrong = wrong_wishes(sleeve)
    except (Exception, SystemExit) as error:  # whatever a trader's class raises as it begins
        raise SettingsError(
            f"settings: sleeves.{name}: {kind.__name__} cannot work with its parameters: {error}"
        ) from error
    if wrong:
        raise SettingsError(f"settings: sleeves.{name}: {kind.__name__}: {wrong}")
    return sleeve


def barred(name: str, kind: type[Sleeve], settings: Settings) -> str:
    """Why the settings keep this sleeve from trading; "" if they do not."""
    section = settings.sleeves[name]
    where = f"sleeves.{name}"
    if not section.enabled:
        return f"{where}.enabled is false"
    if section.tier not in settings.orchestrator.tiers:
        return f"orchestrator.tiers does not run tier {section.tier}"
    if kind.consent and not settings.simulated() and not section.real_accounts:
        return f"off on real accounts unless {where}.real_accounts is true: {kind.consent}"
    return ""


def bars_asked_for(name: str, sleeve: Sleeve, settings: Settings) -> None:
    """Raises SettingsError for a product a sleeve cannot listen to: its own, one too many, one the
    gateway does not ask for.
    """
    roots = settings.market_data_gateway.roots
    for root in sleeve.listens:
        if root == settings.sleeves[name].root:
            raise SettingsError(f"settings: sleeves.{name} listens to {root!r}, its own product")
        if root not in roots:
            raise SettingsError(
                f"settings: sleeves.{name} listens to {root!r}; market_data_gateway.roots has"
                f" {', '.join(roots)}"
            )
    if len(sleeve.listens) > OTHERS_MAX:
        raise SettingsError(
            f"settings: sleeves.{name} listens to {len(sleeve.listens)} products,"
            f" the limit is {OTHERS_MAX}"
        )


def _misspelt(kind: type[Sleeve]) -> str:
    """The first method that looks like a handler and is none; "" if there is none."""
    for base in kind.__mro__:
        if base is Sleeve:
            return ""
        for found in vars(base):
            if found.startswith("on_") and not hasattr(Sleeve, found):
                return found
    return ""
