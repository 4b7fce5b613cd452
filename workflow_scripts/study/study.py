"""A study: one configuration, from layers of YAML to typed settings, with every mistake told in one sentence.

Layers, later over earlier: the study's file, `config/local.yaml`, the command line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from workflow_scripts.study.cells import Cells
from workflow_scripts.study.depth import Depth
from workflow_scripts.study.figures import figure_names, figure_tables
from workflow_scripts.study.model import Model
from workflow_scripts.study.names import known, nearest


class Study(Model):
    """One study: its cell search, its depth search and the figures drawn from them."""

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """name; results go to results/<study>"""
    title: str
    """one line, the heading of the report"""
    description: str
    """a paragraph for the report: the question, and the scale at which it is asked"""
    cells: Cells | None = None
    depth: Depth | None = None
    figures: Annotated[list[str], Field(min_length=1)]
    """modules of the folder figures/, in the order of the report"""

    @field_validator("figures")
    @classmethod
    def _figures_exist(cls, names: list[str]) -> list[str]:
        return known(names, figure_names(), "figure")

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        if self.cells is None and self.depth is None:
            raise ValueError("a study needs the key cells, the key depth, or both")
        for figure in self.figures:
            for table in figure_tables(figure):
                part = "depth" if table.startswith("depth_") else "cells"
                if getattr(self, part) is None:
                    raise ValueError(f"figures: {figure} draws the table {table}, which needs the key {part}")
        return self


@dataclass(frozen=True)
class Layer:
    """Settings from one place; `source` is how that place is named in an error."""

    source: str
    values: Mapping[str, Any]


class StudyError(Exception):
    """A mistake in the configuration, as one sentence: which file, which key, what is allowed."""


def read_layer(path: Path, source: str) -> Layer:
    """One YAML file as a layer. Raises StudyError when it is missing, unreadable or no mapping."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError:
        raise StudyError(f"{source}: there is no such file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise StudyError(f"{source}{where}: this is not valid YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(values, dict):
        raise StudyError(f"{source}: a study is a mapping of keys to values")
    return Layer(source, values)


def command_line_layer(values: Mapping[str, Any]) -> Layer:
    """The command line's settings; the key `set` holds a list of or one string of `dotted.key=value` parts."""
    nested = {key: value for key, value in values.items() if key != "set"}
    given = values.get("set", [])
    for part in given.split() if isinstance(given, str) else given:
        key, equals, text = str(part).partition("=")
        if not equals or not all(key.split(".")):
            raise StudyError(f"SET: {part} is not of the form key=value, as in cells.search.epochs=3")
        branch = nested
        *parents, leaf = key.split(".")
        for parent in parents:
            branch = branch.setdefault(parent, {})
        try:
            branch[leaf] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise StudyError(f"SET: {key} has a value that is not valid YAML: {text}") from None
    return Layer("SET", nested)


def load_study(layers: Sequence[Layer]) -> Study:
    """The study that the merged layers describe. Raises StudyError for the first mistake found."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.values)
    try:
        return Study.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        raise StudyError(_sentence(first, layers)) from None


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _sentence(error: ErrorDetails, layers: Sequence[Layer]) -> str:
    path = error["loc"]
    source = max(reversed(layers), key=lambda layer: _depth_of(layer.values, path)).source
    key = ".".join(str(part) for part in path) or "the study"
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        allowed = _fields_at(Study, path[:-1])
        return f"{source}: {key} is no known key{nearest(str(path[-1]), allowed)}"
    if error["type"] == "missing":
        return f"{source}: the key {key} is missing"
    if error["type"] == "value_error":
        return f"{source}: {key}: {context['error']}"
    if error["type"] in ("literal_error", "enum"):
        return f"{source}: {key} is {error['input']!r}; allowed: {context['expected']}"
    wanted = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    value = repr(error["input"])
    return f"{source}: {key} is {value if len(value) < 80 else value[:77] + '...'}; it should be {wanted}"


def _depth_of(values: Any, path: Sequence[int | str]) -> int:
    """How many leading parts of the path exist in the values."""
    for count, part in enumerate(path):
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return count
    return len(path)


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The keys a model allows at a path, following its annotations."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[str(part)].annotation if str(part) in current.model_fields else None
        current = _inner_model(current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _inner_model(annotation: Any) -> Any:
    """The settings model inside Optional[...], list[...] or dict[...]; the annotation itself where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation
