"""What every settings model shares: frozen, closed to unknown keys, and with one canonical JSON form."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Base of all settings. Unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


# Counts are strict, so that `true` or "3" is not silently taken for a number.
Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


def canonical(value: Model | Mapping[str, Any]) -> str:
    """The canonical JSON text of settings: keys sorted, no spaces, floats in their shortest exact form."""
    plain = value.model_dump(mode="json") if isinstance(value, Model) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
