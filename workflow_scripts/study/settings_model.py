"""What every settings model shares: frozen, closed to unknown keys, and with one canonical JSON form."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from workflow_scripts.data.own.source import LEAST_SIDE, SIDE_STEP

Value = TypeVar("Value")


class Model(BaseModel):
    """Base of all settings. Unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number")
    return value


def _each_once(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(set(values)) != len(values):
        raise ValueError(f"{list(values)} names a value twice")
    return values


# Counts are strict, so that `true` or "3" is not silently taken for a number. Other numbers may be text
# in quotes, but not `true`.
NotTrue = BeforeValidator(_no_truth_value)
Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Probability = Annotated[float, Field(ge=0, lt=1), NotTrue]
NonNegative = Annotated[float, Field(ge=0), NotTrue]
Share = Annotated[float, Field(gt=0, lt=1), NotTrue]
Positive = Annotated[float, Field(gt=0), NotTrue]
Side = Annotated[int, Field(strict=True, ge=LEAST_SIDE, multiple_of=SIDE_STEP)]
"""The side of square images, pixels."""
Distinct = Annotated[tuple[Value, ...], Field(min_length=1), AfterValidator(_each_once)]


def is_absent(value: Any) -> bool:
    """For a field's `exclude_if`: settings without the key stay what they were before there was one."""
    return value is None or value is False


def canonical(value: Model | Mapping[str, Any]) -> str:
    """The canonical JSON text of settings: keys sorted, no spaces, floats in their shortest exact form."""
    plain = value.model_dump(mode="json") if isinstance(value, Model) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
