"""Write docs/settings.md: every key of a study, what it may be, its default and its meaning.

    python -m workflow_scripts.list_settings

The page is generated from the settings' models in workflow_scripts/study, whose checks and sentences they are.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.runtime.command_line import documented_parser, print_lines
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.study.study import Study

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """# Every key of a study

This page is generated from the models in `workflow_scripts/study` by `python -m workflow_scripts.list_settings`.
Defaults are the papers' values, except where a key says otherwise. `NAME` stands for a name, `[]` for each entry of a
list. A key without a default must be given or has keys of its own; where it is absent by default, the meaning says what
happens.
"""
LIMITS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "more than {}",
    "maximum": "{} or less",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
}
KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}

Schema = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; returns the exit status."""
    documented_parser("list_settings", __doc__).parse_args(arguments)
    write_durably(PAGE, settings_page().encode())
    print_lines(f"docs/{PAGE.name} is written")
    return 0


def settings_page() -> str:
    """The page as Markdown."""
    schema = Study.model_json_schema()
    return "\n".join([HEAD, *_sections("", schema, schema["$defs"], {})])


def _sections(path: str, model: Schema, models: Schema, defaults: Schema) -> Iterator[str]:
    """The table of a model, then those of the models in it; `defaults` are those that differ where it stands."""
    yield from (f"## {f'`{path}`' if path else 'The study'}", "", " ".join(model["description"].split()), "")
    yield from ("| key | may be | default | meaning |", "|---|---|---|---|")
    below = []
    required = model.get("required", [])
    for key, field in model["properties"].items():
        schema, suffix = _without_lists(field)
        inner = schema.get("$ref", "").removeprefix("#/$defs/")
        default = defaults.get(key, field.get("default"))
        if inner:
            place = f"{path}.{key}{suffix}".removeprefix(".")
            below.append((place, models[inner], default if isinstance(default, dict) else {}))
            words = f"see [below](#{_anchor(place)})"
        else:
            words = _may_be(field)
        meaning = " ".join(field["description"].split())
        yield f"| `{key}` | {words} | {_default(default, key in required, bool(inner))} | {meaning} |"
    yield ""
    for place, inside, different in below:
        yield from _sections(place, inside, models, different)


def _without_lists(field: Schema) -> tuple[Schema, str]:
    """What a field holds in the end, and the mark of the list or the mapping that it holds it in."""
    if "anyOf" in field:
        return _without_lists(field["anyOf"][0])
    if "items" in field:
        return field["items"], "[]"
    (named,) = field.get("patternProperties", {"": field.get("additionalProperties")}).values()
    return (named, ".NAME") if isinstance(named, dict) else (field, "")


def _may_be(field: Schema) -> str:
    if "anyOf" in field:
        return _may_be(field["anyOf"][0])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "prefixItems" in field:
        return f"list of {len(field['prefixItems'])}: {_may_be(field['prefixItems'][0])}"
    if field["type"] == "array":
        least = field.get("minItems", 0)
        return f"list{f' of {least} or more' if least > 1 else ''}: {_may_be(field['items'])}"
    if field["type"] == "object":
        return "mapping of names to keys"
    limits = [words.format(f"{field[name]:.12g}") for name, words in LIMITS.items() if name in field]
    return ", ".join([KINDS[field["type"]], *limits])


def _default(default: Any, required: bool, is_model: bool) -> str:
    if required:
        return ""
    if default is None:
        return "absent"
    return "" if is_model else f"`{json.dumps(default)}`"


def _anchor(place: str) -> str:
    return "".join(letter for letter in place.lower() if letter.isalnum() or letter in "_-")


if __name__ == "__main__":
    sys.exit(main())
