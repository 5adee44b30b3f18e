"""From a name in the settings to a sleeve: finds the class, checks its parameters.

Whatever is wrong is said with the settings' path of it (`sleeves.trend.params.stop_ticks`), before
the process hears a single event: a sleeve that runs with other numbers than the trader wrote down
is worse than one that does not start.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec
from msgspec import Struct

from services.sleeves.base import Sleeve
from services.sleeves.desk import Desk
from shared.sections import Sleeve as Section
from shared.settings import Settings, SettingsError


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
    except Exception as error:  # whatever a trader's module raises while it is imported
        raise SettingsError(
            f"{where}: importing it raised {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Sleeve)):
        what = "has no such class" if found is None else "is not a subclass of Sleeve"
        raise SettingsError(f"{where}: {module_name} {what}")
    return found


def sleeve_params(name: str, kind: type[Sleeve], table: dict[str, Any]) -> Struct:
    """The parameters, ranges checked. Raises SettingsError with path, range and value."""
    where = f"settings: sleeves.{name}.params"
    fields = {field.encode_name for field in msgspec.structs.fields(kind.Params)}
    for key in sorted(table):
        if key not in fields:
            raise SettingsError(
                f"{where}.{key} is unknown; {kind.__name__} has {', '.join(sorted(fields))}"
            )
    try:
        return msgspec.convert(table, kind.Params, strict=True)
    except msgspec.ValidationError as error:
        key = str(error).partition("$.")[2].strip("`")
        raise SettingsError(f"{where}: {error}; it was {table.get(key)!r}") from None


def prepared(name: str, kind: type[Sleeve], desk: Desk, table: dict[str, Any]) -> Sleeve:
    """The sleeve with its parameters. Raises SettingsError, also for what its author raises."""
    params = sleeve_params(name, kind, table)
    try:
        return kind(desk, params)
    except Exception as error:  # whatever a trader's class raises while it prepares itself
        raise SettingsError(
            f"settings: sleeves.{name}: {kind.__name__} cannot work with its parameters: {error}"
        ) from error
