"""The site of `make site`: the documents as they are in the repository, from its root, and nothing else."""

import shutil
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

project = "Neural architecture search you can audit"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
root_doc = "README"
include_patterns = ["*.md", "config/*.md", "docs/*.md", "findings/*.md"]
extensions = ["myst_parser"]
myst_heading_anchors = 6  # every heading, under the name that GitHub gives it

html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "sidebar_width": "240px", "show_powered_by": "false"}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_static_path = ["static"]
html_css_files = ["widths.css"]
html_copy_source = False

PAGES = """

```{toctree}
:hidden:
:glob:

docs/studies
docs/claims
docs/extending
docs/data
docs/results
docs/provenance
docs/publishing
docs/*
CONTRIBUTING
config/README
findings/README
CHANGELOG
```
"""


def _list_pages(app: Sphinx, name: str, source: list[str]) -> None:
    """The list of pages, which Sphinx wants in a page, added to the first one while it is read."""
    if name == root_doc:
        source[0] += PAGES


def _add_index(app: Sphinx, error: Exception | None) -> None:
    """What a server shows of a folder."""
    if error is None:
        shutil.copyfile(app.outdir / "README.html", app.outdir / "index.html")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _list_pages)
    app.connect("build-finished", _add_index)
