"""The templates of the pages, whose text is escaped, and which name nothing that they are not given."""

from pathlib import Path

import jinja2


def page_template(file: Path) -> jinja2.Template:
    """The template in a file. What it includes lies in the same folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(file.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(file.name)
