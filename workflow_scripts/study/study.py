"""A study: one configuration, from layers of YAML to typed settings, with every mistake stated in one sentence.

Layers, later over earlier: the study's file, `config/local.yaml`, the command line.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, get_args

import yaml
from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from workflow_scripts.data.data_set import NAME, NAME_IN_WORDS
from workflow_scripts.data.mirrors import mirror_problem, without_credentials
from workflow_scripts.runtime.printable import visible
from workflow_scripts.study import figure_modules
from workflow_scripts.study.cell_settings import Cells
from workflow_scripts.study.depth_settings import Depth
from workflow_scripts.study.figure_modules import figure_names, figure_tables
from workflow_scripts.study.image_sets import load_image_set
from workflow_scripts.study.name_checks import Lacking, Mistake, require_known, suggestion
from workflow_scripts.study.own_data import OwnSets
from workflow_scripts.study.settings_model import Count, CountOrZero, Model
from workflow_scripts.study.strict_yaml import UnclearValue, load_yaml
from workflow_scripts.tables.display_names import PUBLISHED_LOGS

REHEARSAL = "-rehearsal"
"""The end of the name of a study's rehearsal (`study/rehearsal.py`)."""
STUDY_NAME = f"{NAME}({REHEARSAL})?"
RULES = (
    *("cell_search", "random_search", "supernet_architecture", "select_architecture", "evaluate_genotype"),
    *("depth_search", "depth_speed"),
)
"""The rules whose needs depend on the study; the others take minutes, and what the profile says by default."""


def _possible(mirror: str) -> str:
    problem = mirror_problem(mirror)
    if problem is not None:
        raise ValueError(problem)
    return mirror


Mirror = Annotated[str, AfterValidator(_possible)]


class Data(Model):
    """Where data files may come from. It decides no result: every file is checked against its known checksum.

    But for `made_up`, whose images are another file, in the results folder, and for what `own` says beside places.
    """

    mirrors: tuple[Mirror, ...] = ()
    """folders, file:// or http(s) addresses, asked in this order before the official addresses"""
    offline: bool = False
    """never use the network; a file that no local mirror holds is an error that says where to put it"""
    made_up: Count | None = None
    """for rehearsals: so many images of each part are made up, and none is fetched"""
    own: OwnSets = Field(default_factory=dict)
    """by name, data sets of your own: pictures in folders of classes, or in an npz file"""


class Resources(Model):
    """What a job of one rule asks a scheduler for; no part of any identity, because it decides no result."""

    runtime: Count
    """minutes until it is killed; started again, it goes on from its checkpoint"""
    mem_mb: Count
    """memory, megabytes"""
    gpu: CountOrZero = 0
    """devices"""


class Study(Model):
    """One study: its cell search, its depth search and the figures drawn from them."""

    study: Annotated[str, Field(pattern=f"^{STUDY_NAME}$")]
    """name; results go to results/<study>"""
    title: str
    """one line, the heading of the report"""
    description: str
    """a paragraph for the report: the question, and the scale at which it is asked"""
    data: Data = Data()
    """where data files may come from"""
    resources: dict[str, Resources] = Field(default_factory=dict)
    """by rule, what its jobs ask a scheduler for; what is not named here is as the profile says"""
    cells: Cells | None = None
    """the cell search, where the study has one"""
    depth: Depth | None = None
    """the depth search, where the study has one, with one experiment or more"""
    figures: Annotated[list[str], Field(min_length=1)]
    """modules of the folder figures/, in the order of the report"""

    @field_validator("figures")
    @classmethod
    def _figures_exist(cls, names: list[str]) -> list[str]:
        require_known(names, figure_names(), "figure")
        for name, stated in product(names, ("TABLES", "TITLE", "CATEGORY")):
            figure_modules.stated(name, stated)
        return names

    @field_validator("resources")
    @classmethod
    def _rules_exist(cls, resources: dict[str, Resources]) -> dict[str, Resources]:
        require_known(list(resources), list(RULES), "rule with resources")
        return resources

    @field_validator("depth")
    @classmethod
    def _no_experiments_are_no_depth_search(cls, depth: Depth | None) -> Depth | None:
        return depth if depth is not None and depth.experiments else None

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        if self.cells is None and self.depth is None:
            raise ValueError("a study needs the key cells, the key depth, or both")
        for figure in self.figures:
            for table in figure_tables(figure):
                part = "depth" if table.startswith("depth_") else "cells"
                if getattr(self, part) is None:
                    reason = f"{figure} draws the table {table}, which only a study with the key {part} makes"
                    raise Mistake("figures", reason)
                if table in ("evaluations", "comparison") and self.cells is not None and self.cells.evaluation is None:
                    reason = f"{figure} draws the table {table}, which a study with cells.evaluation null does not make"
                    raise Mistake("figures", reason)
        return self

    @model_validator(mode="after")
    def _made_up_images_suffice(self) -> Self:
        made_up = self.data.made_up
        if made_up is None:
            return self
        if self.cells is not None and any(grid.source in PUBLISHED_LOGS for grid in self.cells.grids):
            raise Mistake("data.made_up", "the published search logs have no made-up form")
        for data_set, wanted in self._images_read():
            if wanted > made_up:
                raise Mistake("data.made_up", f"{made_up} are fewer than the {wanted} of {data_set} that are read")
        return self

    def _images_read(self) -> Iterator[tuple[str, int]]:
        """Data sets with how many images of a part jobs read of them."""
        if self.cells is not None:
            for data_set in dict.fromkeys(name for grid in self.cells.grids for name in grid.data_sets):
                entry = load_image_set(data_set)
                yield data_set, self.cells.search.subset or entry.train_images
                if self.cells.evaluation is not None:
                    seen = self.cells.evaluation_of(data_set).subset
                    yield data_set, seen.start + (seen.train or entry.train_images - seen.start)
                    yield data_set, seen.test or entry.test_images
        experiments = self.depth.experiments.values() if self.depth is not None else ()
        for images in filter(None, (experiment.images for experiment in experiments)):
            for data_set in images.data_sets:
                entry = load_image_set(data_set)
                yield data_set, images.train_images or entry.train_images
                yield data_set, images.test_images or entry.test_images


def study_text(study: Study, comment: str) -> bytes:
    """The text of a study's file, as a person would have written it, under `comment`, which says where it comes from.

    It holds what is set, and nothing that is a default.
    """
    settings = study.model_dump(mode="json", exclude_unset=True)
    # None: lists and mappings without others inside them stand on one line
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return f"# {comment}\n{text}".encode()


@dataclass(frozen=True)
class Layer:
    """Settings from one place; `source` is how that place is named in an error."""

    source: str
    values: Mapping[str, Any]


class StudyError(Exception):
    """A mistake in the configuration, as one sentence: which file, which key, what is allowed.

    What an address holds before its @ is not shown: it may be a password.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(visible(without_credentials(sentence)))


# What is allowed instead, by pydantic's type of error and with the limits it names.
ALLOWED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "greater_than": "more than {gt:.12g}",
    "greater_than_equal": "{ge:.12g} or more",
    "less_than": "less than {lt:.12g}",
    "less_than_equal": "{le:.12g} or less",
    "multiple_of": "a multiple of {multiple_of:.12g}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": NAME_IN_WORDS,
    "literal_error": "{expected}",
}


def read_layer(path: Path, source: str) -> Layer:
    """One YAML file as a layer. Raises StudyError when it is missing, unreadable or no mapping."""
    try:
        values = load_yaml(path.read_text())
    except FileNotFoundError:
        raise StudyError(f"{source}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise StudyError(f"{source}: this file cannot be read ({reason})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        if isinstance(error, UnclearValue):
            raise StudyError(f"{source}{where}: {error.problem}") from None
        problem = getattr(error, "problem", None) or "a character that text may not hold"
        raise StudyError(f"{source}{where}: this is not valid YAML ({problem})") from None
    if not isinstance(values, dict | None):
        raise StudyError(f"{source}: a study is a mapping of keys to values, as in `study: demo`")
    return Layer(source, values or {})


def command_line_layer(values: Mapping[str, Any]) -> Layer:
    """The command line's settings, by dotted key; the key `set` holds a list, or one string, of `key=value` parts.

    A number in a key is a position in a list.
    """
    given = values.get("set", [])
    settings = [(str(key), deepcopy(value)) for key, value in values.items() if key != "set"]
    for part in given.split() if isinstance(given, str) else given if isinstance(given, list) else [given]:
        part = part if isinstance(part, str) else _shown(part)
        key, equals, text = part.partition("=")
        if not equals or not all(key.split(".")):
            raise StudyError(f"SET: {part} is not of the form key=value without spaces, as in cells.search.epochs=3")
        settings.append((key, typed_value("SET", key, text, "valid YAML without spaces")))
    nested: dict[Any, Any] = {}
    for key, value in settings:
        branch = nested
        *parents, leaf = (int(part) if part.isdecimal() else part for part in key.split("."))
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise StudyError(f"SET: {key} is set, and {parent} above it to {_shown(branch)}; set one of the two")
        branch[leaf] = value
    return Layer("SET", nested)


def typed_value(option: str, key: str, text: str, wanted: str) -> Any:
    """The value that a person typed for a key of an option. Raises StudyError where it is not what is `wanted`."""
    try:
        return load_yaml(text)
    except UnclearValue as error:
        raise StudyError(f"{option}: {key}: {error.problem}") from None
    except yaml.YAMLError:
        raise StudyError(f"{option}: {key} has a value that is not {wanted}: {text}") from None


def load_study(layers: Sequence[Layer]) -> Study:
    """The study that the merged layers describe. Raises StudyError for one mistake, an unknown key before others."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, layer.values, layer.source) if layer.values else merged
    try:
        return Study.model_validate(merged)
    except ValidationError as error:
        first = min(error.errors(), key=lambda found: found["type"] not in ("extra_forbidden", "invalid_key"))
        raise StudyError(_sentence(first, layers)) from None


def merge(base: Any, over: Any, source: str, path: tuple[Any, ...] = ()) -> Any:
    """The values of `base` under those of `over`: mappings key by key, everything else and an empty mapping as a whole.

    A mapping of positions changes a list at these. Raises StudyError for a position that the list does not have.
    """
    if _are_positions(over) and isinstance(base, list):
        for position in over:
            if position >= len(base):
                key, end = ".".join(map(str, path)), f"ends at position {len(base) - 1}" if base else "is empty"
                raise StudyError(f"{source}: {key}.{position} is set, but the list {key} {end}")
        changed = {at: merge(base[at], value, source, (*path, at)) for at, value in over.items()}
        return [changed.get(at, value) for at, value in enumerate(base)]
    if not over or not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return base | {key: merge(base.get(key), value, source, (*path, key)) for key, value in over.items()}


def _are_positions(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(type(key) is int and key >= 0 for key in value)


def _sentence(error: ErrorDetails, layers: Sequence[Layer]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    path = tuple(part for part in error["loc"] if part != "[key]")
    reason = context.get("error")
    if isinstance(reason, Mistake):
        kind = "missing" if isinstance(reason, Lacking) else kind
        path, reason = (*path, *reason.key.split(".")), reason.reason
    source, key = _source(path, layers, lacking=kind == "missing"), ".".join(map(str, path))
    if kind in ("extra_forbidden", "invalid_key"):
        return f"{source}: {key} is not a known key{suggestion(str(path[-1]), _model_at(path[:-1]).model_fields)}"
    if kind == "missing":
        *above, last = path
        if isinstance(last, int):
            return f"{source}: {'.'.join(map(str, above))} has too few values; {last + 1} or more are needed"
        return f"{source}: the key {key} is missing ({_model_at(above).model_fields[last].description})"
    if reason is not None:
        return f"{source}: {key + ': ' if key else ''}{reason}"
    if kind in ("list_type", "tuple_type") and _are_positions(error["input"]):
        return f"{source}: {key} is set at a position, but no file states this list; give it whole, as in {key}=[...]"
    allowed = ALLOWED[kind].format(**context).replace("'", "") if kind in ALLOWED else error["msg"]
    return f"{source}: {key} is {_shown(error['input'])}; allowed: {allowed}"


def _shown(value: Any) -> str:
    """A value as a person wrote it, more or less, and not longer than a line."""
    try:
        text = "empty" if value is None else json.dumps(value, default=str, skipkeys=True, ensure_ascii=False)
    except ValueError:
        text = "a value that holds itself"
    text = without_credentials(text)  # before the end of a password is cut off
    return text if len(text) < 80 else text[:77] + "..."


def _source(path: Sequence[int | str], layers: Sequence[Layer], lacking: bool) -> str:
    """The layer that the value at a path comes from; where a key is lacking, the first that should have it.

    A layer counts only as long as no later one replaces what it says as a whole.
    """
    reaching: list[tuple[str, Any]] = [(layer.source, layer.values) for layer in layers]
    for part in path:
        below = [(source, values[part]) for source, values in reaching if _has(values, part)]
        if not below:
            break
        whole = [number for number, (_, values) in enumerate(below) if not isinstance(values, dict) or not values]
        reaching = below[whole[-1] if whole else 0 :]
    return reaching[0 if lacking or not path else -1][0]


def _has(values: Any, part: int | str) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, dict) and part in values


def _model_at(path: Sequence[int | str]) -> type[BaseModel]:
    """The settings model at a path; lists and mappings hold models of one kind."""
    here: Any = Study
    for part in path:
        inside = isinstance(here, type) and issubclass(here, BaseModel)
        here = here.model_fields[str(part)].annotation if inside else get_args(here)[-1]
        if isinstance(here, UnionType):
            here = get_args(here)[0]
    model: type[BaseModel] = here
    return model
