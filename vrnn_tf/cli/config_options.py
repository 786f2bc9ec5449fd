"""Gives a command an option for each field of `TrainConfig` that has a help text."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf.cli.options import absolute, key_values
from vrnn_tf.train.config import TrainConfig

FIELDS = [field for field in dataclasses.fields(TrainConfig) if "help" in field.metadata]
_TYPES = typing.get_type_hints(TrainConfig)


def add_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replaces the parameter `changes` of a command by the options of `TrainConfig`.

    The command receives the options that the user gave as one dictionary, `{field: value}`.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == "changes":
            parameters += [_parameter(field) for field in FIELDS]
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def command_with_options(**arguments: Any) -> None:
        values = {field.name: _value(field, arguments.pop(field.name)) for field in FIELDS}
        changes = {name: value for name, value in values.items() if value is not None}
        command(changes=changes, **arguments)

    command_with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters
    )
    return command_with_options


def option_name(field: dataclasses.Field) -> str:
    """The option of a field, for example "--batch-size"."""
    return field.metadata.get("option", "--" + field.name.replace("_", "-"))


def _parameter(field: dataclasses.Field) -> inspect.Parameter:
    """The option of a field, as typer reads it from a signature."""
    option: dict[str, Any] = {"help": field.metadata["help"]}
    kind: Any = _TYPES[field.name]
    default = None
    if kind is bool:
        default = False  # a flag can only turn something on
    elif field.metadata.get("folder"):
        kind = Path
    elif typing.get_origin(kind) is dict:
        kind, option["metavar"] = list[str], "KEY=VALUE"
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[
            kind if kind is bool else kind | None, typer.Option(option_name(field), **option)
        ],
    )


def _value(field: dataclasses.Field, given: Any) -> Any:
    """The field's value from the option's value; None if the option was not given."""
    if given is None or given is False or given == []:
        return None
    if field.metadata.get("folder"):
        return absolute(given)
    return key_values(option_name(field), given) if isinstance(given, list) else given
