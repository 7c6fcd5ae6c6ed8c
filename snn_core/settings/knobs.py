"""How a setting is declared and checked: one line has its default, bounds and texts.

The checks here, the link codec and the widgets all read that one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Protocol

from snn_core.activations import is_formula
from snn_core.tables import choose, number

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Parameters", "SettingError", "check", "knob", "settle_part"]

Value = str | int | float | bool
Parameters = tuple[tuple[str, float], ...]


class HasValues(Protocol):
    """Anything with settled parameters: an activation, an initializer, a data set, ..."""

    @property
    def values(self) -> tuple[tuple[str, float], ...]: ...


class SettingError(ValueError):
    """A setting that is refused; ``settings`` are those to change, the likeliest first.

    ``fit`` has values for some of them that agree with all others.
    """

    def __init__(
        self,
        settings: str | tuple[str, ...],
        message: str,
        fit: Mapping[str, Value] | None = None,
    ) -> None:
        super().__init__(message)
        self.settings = (settings,) if isinstance(settings, str) else settings
        self.fit = dict(fit or {})


def knob(
    default: Value,
    label: str,
    low: float | None = None,
    high: float | None = None,
    options: Mapping[str, Any] | tuple[str, ...] | None = None,
    help: str = "",
    step: int = 1,
    own: Callable[[str], str] | None = None,
) -> Any:  # noqa: ANN401  the field stands where its value is declared
    """Returns a dataclass field that carries its label, bounds or options, and help text.

    Besides the options, ``own`` takes a formula, a text that begins with "=", and gives its
    canonical spelling.
    """
    meta = {"label": label, "low": low, "high": high, "options": options, "help": help}
    meta |= {"step": step, "own": own}
    return field(default=default, metadata=meta)


def check(owner: DataclassInstance) -> None:
    """Checks every field against its own knob; stores numbers as plain int or float."""
    for f in fields(owner):
        value, meta = getattr(owner, f.name), f.metadata
        try:
            if meta.get("own") and is_formula(value):
                object.__setattr__(owner, f.name, meta["own"](value))
            elif meta.get("options") is not None:
                choose(tuple(meta["options"]), value, f.name)
            elif isinstance(f.default, bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{f.name} must be True or False, got {str(value)[:40]!r}.")
            elif meta.get("low") is not None:
                whole = isinstance(f.default, int)
                value = number(f.name, value, meta["low"], meta["high"], integer=whole)
                object.__setattr__(owner, f.name, value)
        except ValueError as error:
            raise SettingError(f.name, str(error)) from None


def settle_part(owner: DataclassInstance, name: str, make: Callable[..., HasValues]) -> None:
    """Checks the parameters of a named part and keeps those that differ from its defaults."""
    given = getattr(owner, f"{name}_parameters")
    try:
        given = dict(given)
    except (TypeError, ValueError):
        text = f"{name}_parameters must map names to numbers, got {str(given)[:40]!r}."
        raise SettingError(name, text) from None
    part = getattr(owner, name)
    if not all(isinstance(key, str) and key.isidentifier() and key != "name" for key in given):
        text = f"{name}_parameters has a parameter of no known name: {str(list(given))[:60]}."
        raise SettingError(tuple(f"{name}.{key}" for key in given), text)
    try:
        values = dict(make(part, **given).values)
    except (TypeError, ValueError) as error:
        keys = tuple(f"{name}.{key}" for key in given)
        at_fault = tuple(key for key in keys if key.split(".")[1] in str(error))
        raise SettingError(at_fault or keys or name, str(error)) from None
    usual = dict(make(part).values)
    kept = tuple((key, value) for key, value in values.items() if value != usual[key])
    object.__setattr__(owner, f"{name}_parameters", kept)
