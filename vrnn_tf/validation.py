"""Checks of what people pass in. Each error says what was expected, what came, and the fix."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_LAYERS = 100


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of `choices`.

    Raises:
        ValueError: if it is not; lists the choices and names the nearest one.
    """
    choices = list(choices)
    if value in choices:
        return value
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`{name}` must be one of {choices}. Received {value!r}.{hint}")


def check_integer(name: str, value: Any, minimum: int) -> int:
    """Returns `value` if it is an integer of at least `minimum`; raises ValueError otherwise."""
    try:
        number = operator.index(value)
    except (AttributeError, TypeError):  # neither an integer nor a scalar array that holds one
        number = None
    if number is None or isinstance(value, bool) or number < minimum:
        raise ValueError(f"`{name}` must be an integer >= {minimum}. Received {value!r}.")
    return number


def check_seeds(seed: Any, count: int) -> list[int]:
    """Returns the seeds `seed + i` of `count` sequences, wrapped around to int32."""
    first = check_integer("seed", seed, -(2**63))
    return [wrap_seed(first + i) for i in range(count)]


def wrap_seed(seed: int) -> int:
    """Returns the int32 that has the same low 32 bits."""
    return (seed + 2**31) % 2**32 - 2**31


def check_number(name: str, value: Any, minimum: float = -math.inf, strict: bool = False) -> float:
    """Returns `value` as a float.

    Raises:
        ValueError: if it is not a finite number, is below `minimum`, or equals it with `strict`.
    """
    expected = "a finite number"
    if minimum > -math.inf:
        expected = f"a number {'>' if strict else '>='} {minimum}"
    try:
        number = math.nan if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < minimum or (strict and number == minimum):
        raise ValueError(f"`{name}` must be {expected}. Received {value!r}.")
    return number


def check_widths(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    """Returns layer widths as a tuple. An integer means one layer, `()` means none.

    Raises:
        ValueError: if they are no integers >= 1, or more than `MAX_LAYERS`.
    """
    widths = (value,) if hasattr(value, "__index__") else value
    if isinstance(widths, str | Mapping) or not isinstance(widths, Iterable):
        raise ValueError(
            f"`{name}` must be an integer or a sequence of them. Received {value!r}. "
            "Give one width for each layer, for example (150,)."
        )
    widths = tuple(check_integer(f"{name}[{i}]", width, 1) for i, width in enumerate(widths))
    if len(widths) > MAX_LAYERS:
        raise ValueError(f"`{name}` must have at most {MAX_LAYERS} layers. Received {len(widths)}.")
    return widths


def check_sequences(x: Any, event_size: int, description: str) -> None:
    """Raises ValueError unless the static shape of `x` is `[B, T, event_size]`."""
    shape = tuple(x.shape)
    if len(shape) == 3 and shape[-1] in (event_size, None):
        return
    fix = {
        1: "Add a batch axis, a time axis and a feature axis.",
        2: "Add the axis that is missing: x[None] for one sequence, x[..., None] for one feature.",
    }.get(len(shape), f"The last axis must have {event_size} entries.")
    raise ValueError(
        f"`x` must be [B, T, {event_size}] ({description}). Received shape {shape}. {fix}"
    )
