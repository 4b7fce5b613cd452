"""YAML whose plain values are what they look like, as in YAML 1.2: PyYAML reads YAML 1.1.

`no`, `on` and dates are text, which a setting that wants a truth value still takes for one; `1e-3` is a number. Refused
is what YAML 1.1 reads as a number on base 8 or 60, or over `_`, and what Snakemake cannot read, which reads a study's
file too: `=`, and a date that no calendar has. No key may be twice in one mapping, where PyYAML keeps the last and
says nothing.
"""

import re
from contextlib import suppress
from typing import Any, NoReturn

import yaml

_NULL, _BOOL, _INT, _FLOAT, _MERGE, _DATE = (
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "merge", "timestamp")
)
_UNCLEAR = "!unclear"
_NUMBERS = "-+.0123456789"


class UnclearValue(yaml.MarkedYAMLError):
    """A plain value that is read as another one, or not at all, by some."""


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Looked at before any mapping is merged into another, because that puts keys in twice.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                hint = "; one takes several, as in <<: [*first, *second]" if key.tag == _MERGE else ""
                problem = f"the key {key.value} is there twice{hint}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            if key.tag in (_NULL, _BOOL):
                problem = f"the key {key.value or 'before the colon'} is not text; write it in quotes"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.append(key.value)
        return node

    def construct_unclear(self, node: yaml.ScalarNode) -> NoReturn:
        ways = [*_readings(node.value), f'"{node.value}" in quotes where text is meant']
        problem = f"{node.value} may be read in several ways; write {' or '.join(ways)}"
        raise UnclearValue(problem=problem, problem_mark=node.start_mark)

    def construct_date(self, node: yaml.ScalarNode) -> str:
        try:
            self.construct_yaml_timestamp(node)
        except ValueError:
            self.construct_unclear(node)
        return str(node.value)


_Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    (_MERGE, r"<<", "<"),
    (_NULL, r"|~|null|Null|NULL", ["", *"~nN"]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_INT, r"[-+]?(0|[1-9][0-9]*)|[-+]?0x[0-9a-fA-F]+|[-+]?0b[01]+", _NUMBERS),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", _NUMBERS),
    (_FLOAT, r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", _NUMBERS),
    (_UNCLEAR, r"[-+]?0[0-9]+", _NUMBERS),
    (_UNCLEAR, r"=", "="),
):
    _Loader.add_implicit_resolver(tag, re.compile(f"({pattern})$"), list(first))
for tag, looks in yaml.SafeLoader.yaml_implicit_resolvers["1"]:
    if tag in (_INT, _FLOAT, _DATE):
        _Loader.add_implicit_resolver(tag if tag == _DATE else _UNCLEAR, looks, list(_NUMBERS))
_Loader.add_constructor(_UNCLEAR, _Loader.construct_unclear)
_Loader.add_constructor(_DATE, _Loader.construct_date)


def _readings(text: str) -> list[str]:
    """The numbers that people and YAML 1.1 read in a text, as one writes them plainly."""
    found = []
    for read in (int, yaml.safe_load):
        with suppress(ValueError, yaml.YAMLError):
            found.append(read(text))
    return list(dict.fromkeys(str(value) for value in found if not isinstance(value, str)))


def load_yaml(text: str) -> Any:
    """The value that a text describes. Raises UnclearValue, and another yaml.YAMLError for what is not valid YAML."""
    try:
        return yaml.load(text, Loader=_Loader)
    except ValueError:  # a number of thousands of digits; of tags that PyYAML knows, what they cannot be
        raise yaml.MarkedYAMLError(problem="a value that cannot be read") from None
    except RecursionError:
        raise yaml.MarkedYAMLError(problem="it is nested too deep") from None
