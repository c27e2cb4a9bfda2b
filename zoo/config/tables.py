"""Strict tables: TOML in, typed values out; the error of an unknown key suggests a known one."""

from __future__ import annotations

import tomllib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from zoo.errors import ZooError, did_you_mean, unwritable


class Table(BaseModel):
    """Base of all tables of recipes and registry entries: frozen, strict, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        # Before pydantic's own check, which does not know the valid keys.
        if isinstance(data, dict):
            valid = [field.alias or name for name, field in cls.model_fields.items()]
            for key in data:
                if key not in valid:
                    context = {"key": str(key), "hint": did_you_mean(str(key), valid)}
                    raise PydanticCustomError("unknown_key", "there is no key '{key}'", context)
        return data

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_unwritable_texts(cls, value: Any) -> Any:
        # A file could not hold them, and a run would fail when it writes its bundle.
        for text in _texts(value):
            if wrong := unwritable(text):
                raise problem(f"it has {wrong}", "write it again without that character")
        return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


AnyTable = TypeVar("AnyTable", bound=Table)


def problem(message: str, hint: str = "") -> PydanticCustomError:
    """Return a validator's error, which `parse` turns into one with that hint."""
    return PydanticCustomError("problem", "{message}", {"message": message, "hint": hint})


def parse(
    table: type[AnyTable], data: dict[str, Any], where: str, error: type[ZooError]
) -> AnyTable:
    """Return `data` as a `table`, or raise `error` with the first mistake.

    Args:
        table: the class to fill.
        data: the content of a TOML file.
        where: the name of the file or recipe, which begins the message.
        error: the class of error to raise.
    """
    try:
        return table.model_validate(data)
    except ValidationError as failure:
        first = failure.errors(include_url=False)[0]
        path = [str(part) for part in first["loc"]]
        if first["type"] == "missing":
            holder = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
            raise error(f"{where}: the key '{path[-1]}' is missing{holder}") from None
        if first["type"] == "unknown_key":
            holder = f" in [{'.'.join(path)}]" if path else ""
            key, hint = first["ctx"]["key"], first["ctx"]["hint"]
            raise error(f"{where}: there is no key '{key}'{holder}", hint) from None
        wrong = first["msg"].removeprefix("Value error, ")
        wrong = wrong[:1].lower() + wrong[1:]
        place = ".".join(path)
        if place and not isinstance(first["input"], dict):
            place += f" = {first['input']!r}"
        message = ": ".join(part for part in (where, place, wrong) if part)
        raise error(message, first.get("ctx", {}).get("hint", "")) from None


def flat(tables: Mapping[str, Any], prefix: str = "", whole: Container[str] = ()) -> dict[str, Any]:
    """Return the values of nested tables by dotted keys; the keys of `whole` stay tables."""
    values: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping) and prefix + key not in whole:
            values |= flat(value, f"{prefix}{key}.", whole)
        else:
            values[prefix + key] = value
    return values


def read_toml(path: Path, error: type[ZooError]) -> dict[str, Any]:
    """Return the content of a TOML file; raise `error` for an unreadable one."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise error(f"{path} is not UTF-8", "save the file as UTF-8") from None
    except OSError as failure:
        raise error(f"{path} cannot be read: {failure.strerror}") from None
    except tomllib.TOMLDecodeError as failure:
        raise error(f"{path} is not valid TOML: {failure}") from None
