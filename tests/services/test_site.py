"""The site of `make site`: it is built without a warning, every link of it leads somewhere, and it fits a phone."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml", "docs", "findings", "config")


def build(source: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    """Type the command of `make site`, for another source and target, in this environment."""
    recipe = (ROOT / "Makefile").read_text().partition("\nsite:")[2].splitlines()[1]
    arguments = recipe.replace("$(BIN)/python", "").replace(" . site", f" {source} {target}").split()[1:]
    arguments = [str(target.parent / "doctrees") if each == ".venv/.doctrees" else each for each in arguments]
    return subprocess.run([sys.executable, *arguments], cwd=source, capture_output=True, text=True, check=False)


class Page(HTMLParser):
    """The names that a page gives to its places, and what it links to or shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.names |= {named[key] or "" for key in ("id", "name") if key in named}
        self.links += [named[key] or "" for key in ("href", "src") if key in named]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = build(ROOT, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    documents = [
        *ROOT.glob("*.md"),
        *(path for name in ("docs", "findings", "config") for path in ROOT.glob(f"{name}/*.md")),
    ]
    pages = {path.relative_to(ROOT).with_suffix(".html") for path in documents}
    assert pages <= {path.relative_to(site) for path in site.rglob("*.html")}
    assert (site / "index.html").read_bytes() == (site / "README.html").read_bytes()


def test_every_link_and_picture_of_the_site_is_there(site: Path) -> None:
    pages = {path: Page(path.read_text()) for path in site.rglob("*.html")}
    checked = 0
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            place, _, anchor = unquote(link).partition("#")
            file = (path.parent / place.partition("?")[0]).resolve() if place else path
            assert file.is_file(), f"{path.relative_to(site)}: {link}"
            assert not anchor or anchor in pages[file].names, f"{path.relative_to(site)}: {link}"
            checked += 1
    assert checked > 500


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("[x](docs/nowhere.md)", "nowhere"),
        ("[x](docs/data.md#nothing)", "nothing"),
        ("![x](docs/none.png)", "none.png"),
    ],
)
def test_a_broken_link_ends_the_build(tmp_path: Path, broken: str, why: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "docs/site", source / "docs/site")
    shutil.copy2(ROOT / "docs/data.md", source / "docs/data.md")
    shutil.copy2(ROOT / "pyproject.toml", source)
    (source / "README.md").write_text(f"# A page\n\n{broken}\n")
    done = build(source, tmp_path / "site")
    assert done.returncode != 0
    assert why in done.stderr


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_its_window(site: Path, browser, width: int) -> None:
    tab = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    for path in sorted(site.rglob("*.html")):
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path.relative_to(site)
