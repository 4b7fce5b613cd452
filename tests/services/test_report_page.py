"""The report in a browser: headless Chromium opens it as a file; every figure is there, every link leads somewhere."""

from pathlib import Path
from urllib.parse import unquote

import example_tables
import pytest
from made_report import page
from services.accessibility import serious
from workflow.workflow_copy import build, copy_workflow

from workflow_scripts.study.figure_modules import figure_names

# How many colours a picture has, seen at a tenth of its width; a blank one has one.
COLOURS = """image => {
    const canvas = document.createElement("canvas");
    canvas.width = 200; canvas.height = Math.round(200 * image.naturalHeight / image.naturalWidth);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const found = new Set();
    for (let place = 0; place < data.length; place += 4) found.add(data.slice(place, place + 3).join());
    return found.size;
}"""


@pytest.fixture(scope="module")
def every_figure(tmp_path_factory) -> Path:
    """The report of a made-up study that draws every figure."""
    folder = tmp_path_factory.mktemp("every")
    page(folder, example_tables.all_tables(folder), figure_names())
    return folder / "report.html"


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """The results of a real study of seconds."""
    tree = copy_workflow(tmp_path_factory.mktemp("real") / "tree")
    build(tree)
    return tree / "results" / "tiny"


def opened(browser, file: Path, width: int = 1440, scheme: str = "light"):
    """The report, open, with what it complains of and asks for."""
    tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    tab.heard = []
    tab.on("console", lambda message: tab.heard.append(message.text))
    tab.on("pageerror", lambda error: tab.heard.append(str(error)))
    tab.on("request", lambda request: request.url.startswith("data:") or tab.heard.append(request.url))
    tab.goto(file.as_uri())
    tab.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    return tab


def quiet(tab) -> bool:
    """Whether the page asked for nothing but itself and complained of nothing."""
    return tab.heard == [tab.url.split("#")[0]]


@pytest.mark.parametrize("width", [390, 1440])
def test_every_figure_is_there_and_not_blank(browser, every_figure, width):
    tab = opened(browser, every_figure, width)
    pictures = tab.locator("figure img")
    assert pictures.count() == len(figure_names()) + 1  # one is animated, too
    for number in range(pictures.count()):
        picture = pictures.nth(number)
        picture.evaluate("image => image.decode()")
        assert picture.evaluate(COLOURS) > 20, picture.get_attribute("alt")
        box = picture.bounding_box()
        assert box["width"] > 200 and box["height"] > 60
        assert len(picture.get_attribute("alt")) > 30
    assert tab.evaluate("document.documentElement.scrollWidth") == width, "only figures and tables scroll sideways"
    assert quiet(tab), tab.heard


@pytest.mark.parametrize(("width", "medium"), [(1024, "screen"), (1440, "screen"), (718, "print")])
def test_nothing_is_cut_off(browser, every_figure, width, medium):
    tab = opened(browser, every_figure, width)  # 718 pixels are the width of A4 within its margins
    tab.emulate_media(media=medium)
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.getAttribute('aria-label'))"
    assert tab.locator(".scroll").evaluate_all(cut) == []


@pytest.mark.parametrize("name", ["every_figure", "real"])
def test_no_table_is_empty(browser, name, request):
    found = request.getfixturevalue(name)
    tab = opened(browser, found if found.is_file() else found / "report.html")
    assert tab.locator("tbody").evaluate_all("all => all.map(one => one.rows.length)").count(0) == 0
    assert tab.locator("tbody td[colspan]").count() == 0


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser, every_figure, width, scheme):
    assert serious(opened(browser, every_figure, width, scheme)) == []


def test_every_link_of_a_real_report_leads_somewhere(browser, real):
    tab = opened(browser, real / "report.html")
    links = tab.eval_on_selector_all("a", "all => all.map(each => each.getAttribute('href'))")
    assert len(links) > 20
    for link in links:
        path, _, place = link.partition("#")
        assert not path or (real / unquote(path)).exists(), link
        if not path:
            assert tab.locator(f"[id='{place}']").count() == 1, link
    assert quiet(tab), tab.heard


def test_a_figure_leads_to_its_job_in_the_graph(browser, real):
    tab = opened(browser, real / "report.html")
    tab.locator("section[aria-labelledby=test_error]").get_by_role("link", name="where this figure came from").click()
    tab.wait_for_selector("body[data-ready]")
    assert tab.evaluate("document.body.dataset.selected") == "figure_test_error"


def test_the_keyboard_reaches_what_scrolls(browser, every_figure):
    tab = opened(browser, every_figure, 390)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#main")
    scrolled = tab.locator(".scroll")
    wide = scrolled.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.tabIndex)")
    assert wide and set(wide) == {0}
    labels = scrolled.evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert len(set(labels)) == len(labels)
