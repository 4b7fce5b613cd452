"""The provenance page in a browser: headless Chromium opens it as a file, and looks, clicks and types."""

import json
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from services.accessibility import serious

from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.page import page
from workflow_scripts.provenance.record import canonical_bytes, sealed
from workflow_scripts.provenance.verify import verify
from workflow_scripts.rehearsal.made_up_results import make_results

SEARCH = "cell_search/s1_cifar10/darts/l2-0.0003_drop-0_seed-1"
TRAINING = "evaluate_genotype/s1_cifar10/darts/l2-0.0003_drop-0_seed-1/seed-1"
ALTERED = f"results/made_up/cells/searches/{SEARCH.removeprefix('cell_search/')}/alphas.npz"
HOSTILE = "</script><img src=x onerror=\"document.title='hurt'\"><!-- ' & \u2028"


def written(folder):
    ledger = read_ledger(folder)
    file = folder.parent.parent / "provenance.html"
    file.write_text(page(ledger, verify(ledger, None), "Made-up results"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = make_results(tmp_path_factory.mktemp("small"), 40)
    (folder.parent.parent / ALTERED).write_bytes(b"other")
    return written(folder)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return written(make_results(tmp_path_factory.mktemp("large"), 740))


# The lines of the boxes in the drawing that are wider than their boxes.
TOO_WIDE = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    return provenanceGraph.nodes().toArray().flatMap(node => {
        pen.font = `${node.style("font-size")} ${node.style("font-family")}`;
        const lines = node.isParent() ? [] : (node.data("label") ?? "").split("\\n");
        return lines.filter(line => pen.measureText(line).width > node.width());
    });
}"""


class Opened:
    """A page that is open, and what it asked for and complained of."""

    def __init__(self, browser, file: Path, address: str = "", width: int = 1440):
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        self.tab = context.new_page()
        self.complaints, self.requests = [], []
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(file.as_uri() + address)
        self.tab.wait_for_selector("body[data-ready]")

    @property
    def selected(self) -> str:
        return self.tab.evaluate("document.body.dataset.selected")

    @property
    def status(self) -> str:
        return self.tab.inner_text("#status")

    def relations(self) -> dict[str, str]:
        """The relation of every item in the list to what is selected, by its name."""
        found = self.tab.eval_on_selector_all(
            "#list [data-key]", "all => all.map(b => [b.ariaLabel, b.dataset.relation])"
        )
        return {label.split(",")[0]: relation for label, relation in found}

    def drawn(self, label: str) -> dict:
        """Where the node with this label stands on the screen, and its classes."""
        return self.tab.evaluate(
            """label => {
                const box = document.getElementById("graph").getBoundingClientRect();
                const node = provenanceGraph.nodes().filter(each => (each.data("label") ?? "").startsWith(label))[0];
                const place = node.renderedPosition();
                return { x: box.x + place.x, y: box.y + place.y, classes: node.classes(), state: node.data("state") };
            }""",
            label,
        )

    def click(self, label: str) -> None:
        place = self.drawn(label)
        self.tab.mouse.click(place["x"], place["y"])

    def wait_until(self, condition: str) -> None:
        """Wait for a condition; playwright's own way of waiting is what the page's policy forbids."""
        deadline = time.monotonic() + 30
        while not self.tab.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.tab.wait_for_timeout(20)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)


@pytest.fixture
def opened(browser, small):
    page = Opened(browser, small)
    yield page
    assert page.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in page.requests)
    page.tab.context.close()


def test_it_opens_from_a_file_and_is_quiet(opened):
    assert opened.tab.title() == "Provenance · Made-up results"
    assert [url for url in opened.requests if url.startswith("file:")] == [opened.tab.url]
    assert opened.tab.locator("#graph canvas").count() > 0
    assert opened.status == "Nothing is selected."


def test_a_click_selects_and_marks_what_comes_before_and_after(opened):
    opened.click("derive_architectures\ns2_cifar10")
    assert opened.selected == "derive_architectures_s2_cifar10"
    assert opened.status == "Selected: job derive_architectures_s2_cifar10. 11 ancestors, 14 descendants."
    relations = opened.relations()
    assert relations["cell_search s2_cifar10"] == relations["cifar10"] == "ancestor"
    assert relations["evaluate_genotype s2_cifar10"] == relations["report"] == "descendant"
    assert relations["search_tables/s2_cifar10"] == relations["cell_search s1_cifar10"] == "unrelated"
    assert "ancestor" in opened.drawn("cell_search\ns2_cifar10")["classes"]
    assert "descendant" in opened.drawn("figure\ntest_error")["classes"]
    opened.press("Escape")
    assert opened.selected == ""
    assert set(opened.relations().values()) == {""}


def test_a_click_shows_the_record_with_links_to_makers_and_readers(opened):
    opened.click("derive_architectures\ns2_cifar10")
    panel = opened.tab.locator("#panel")
    text = panel.inner_text()
    for part in ("Inputs (10)", "Outputs (10)", "Settings", "started", "attempt", "sealed by", "history.csv"):
        assert part in text
    assert re.search(r"\b[0-9a-f]{64}\b", text)
    panel.get_by_role("link", name=TRAINING.replace("s1", "s2")).click()
    assert opened.selected == TRAINING.replace("s1", "s2")
    panel.get_by_role("link", name="derive_architectures_s2_cifar10").click()
    assert opened.selected == "derive_architectures_s2_cifar10"
    opened.tab.go_back()
    assert opened.selected == TRAINING.replace("s1", "s2")


def test_the_panel_shows_code_software_and_machine(opened):
    opened.click("report")
    opened.tab.locator("#panel details").evaluate_all("all => all.forEach(each => { each.open = true })")
    text = opened.tab.inner_text("#panel")
    for part in ("workflow_scripts.steps.report", "jinja2", "processor", "scheduler_job", "commit", "lock_sha256"):
        assert part in text


def test_a_group_opens_and_folds(opened):
    opened.click("evaluate_genotype\ns3_cifar10")
    assert opened.selected == "evaluate_genotype s3_cifar10"
    assert opened.tab.locator("#panel .members a").count() == 10
    before = opened.tab.evaluate("provenanceGraph.nodes('.member').length")
    opened.tab.get_by_role("button", name="Unfold evaluate_genotype s3_cifar10").first.click()
    assert opened.tab.evaluate("provenanceGraph.nodes('.member').length") == before + 10
    opened.click("seed-4")
    assert opened.selected == "evaluate_genotype/s3_cifar10/darts/l2-0.0003_drop-0_seed-4/seed-1"
    opened.tab.get_by_role("button", name="Fold all groups").click()
    assert opened.tab.evaluate("provenanceGraph.nodes('.member').length") == 1  # the selected one stays in sight


def test_a_step_with_many_groups_is_one_until_it_is_opened(browser, tmp_path):
    folder = make_results(tmp_path, 40)
    for number, file in enumerate(sorted((folder / "records/cell_search").rglob("*.json"))):
        record = json.loads(file.read_text())
        del record["digest"]
        record["job"] = f"cell_search/space{number % 8}/run{number}"
        moved = folder / f"records/{record['job']}.json"
        moved.parent.mkdir(parents=True, exist_ok=True)
        moved.write_bytes(canonical_bytes(sealed(record)))
        file.unlink()
    opened = Opened(browser, written(folder), "#job=cell_search/space3/run3")
    assert opened.selected == "cell_search/space3/run3"
    opened.press("Escape")
    opened.click("cell_search\n8 groups")
    assert opened.tab.locator("#panel .members a").count() == 8
    opened.tab.focus("#graph")
    opened.press("Enter")
    assert opened.selected == "cell_search space0"
    opened.click("cell_search\nspace3")
    opened.press("Enter")
    assert opened.tab.evaluate("provenanceGraph.nodes('.member').length") == 5
    opened.tab.get_by_role("link", name="Group cell_search", exact=True).click()
    assert opened.selected == "cell_search"
    assert opened.drawn("cell_search\n8 groups")["classes"] == ["folded", "selected"]
    assert opened.complaints == []


def test_a_double_click_opens_a_group(opened):
    place = opened.drawn("cell_search\ns2_cifar10")
    opened.tab.mouse.dblclick(place["x"], place["y"])
    opened.wait_until("provenanceGraph.nodes('.member').length === 10")


def test_the_search_finds_files_and_jobs_and_selects(opened):
    opened.press("/")
    opened.tab.keyboard.type("TEST_ERROR")
    assert opened.tab.inner_text("#found") == "1 job and 3 files"
    opened.press("ArrowDown", "Enter")
    assert opened.selected == "figure_test_error"
    opened.press("/")
    opened.tab.keyboard.type("s1_cifar10/darts/l2-0.0003_drop-0_seed-7.yaml")
    opened.press("Enter")
    assert opened.selected == "derive_architectures_s1_cifar10"
    assert "seed-7.yaml" in opened.tab.inner_text('#panel li[aria-current="true"]')
    opened.press("/")
    opened.tab.keyboard.type("nowhere at all")
    assert opened.tab.inner_text("#found") == "Nothing has this in its name."


def test_the_keyboard_is_enough(opened):
    opened.tab.focus("#graph")
    opened.press("ArrowRight")
    assert opened.selected == "cifar10"
    opened.press("ArrowRight")
    assert opened.selected.startswith("cell_search ")
    first = opened.selected
    opened.press("ArrowUp")
    assert opened.selected.startswith("cell_search ") and opened.selected != first
    opened.press("ArrowDown")
    assert opened.selected == first
    opened.press("Enter")
    assert "open" in opened.status
    opened.press("ArrowDown")
    assert re.fullmatch(r"cell_search/.*seed-1", opened.selected)
    opened.press("ArrowDown")
    assert re.fullmatch(r"cell_search/.*seed-2", opened.selected)
    opened.press("ArrowUp", "ArrowUp", "Enter")
    assert "folded" in opened.status
    for _ in range(6):
        opened.press("ArrowRight")
    assert opened.selected == "report"
    opened.press("Enter")
    assert opened.tab.evaluate("document.activeElement.id") == "panel"
    opened.press("Escape")
    assert opened.selected == ""
    assert opened.tab.evaluate("document.activeElement.id") == "graph"


def test_tab_reaches_everything_in_order(opened):
    reached = []
    for _ in range(80):
        opened.press("Tab")
        reached.append(opened.tab.evaluate("document.activeElement.id || document.activeElement.dataset.key || ''"))
    order = [reached.index(each) for each in ("search", "fold", "whole", "smaller", "larger", "graph", "node 0")]
    assert order == sorted(order)


def test_arrows_move_in_the_list_too(opened):
    opened.tab.locator('#list [data-key="node 0"]').click()
    opened.press("ArrowRight")
    assert opened.tab.evaluate("document.activeElement.getAttribute('aria-current')") == "true"
    assert opened.selected.startswith("cell_search ")


@pytest.mark.parametrize("address", [f"#job={quote(SEARCH)}", f"#job={SEARCH}", f"#file={quote(ALTERED, safe='')}"])
def test_an_address_selects(browser, small, address):
    opened = Opened(browser, small, address)
    assert opened.selected == SEARCH
    assert opened.complaints == []
    opened.tab.evaluate("location.hash = '#job=none such'")
    opened.wait_until("document.body.dataset.selected === ''")
    assert opened.status == "There is no job none such in these records."


def test_an_altered_file_shows_at_its_job_and_group(opened):
    assert opened.drawn("cell_search\ns1_cifar10")["state"] == "altered"
    button = opened.tab.locator("#list").get_by_role("button", name="cell_search s1_cifar10, 10 jobs, ≠ 1 altered")
    assert button.get_attribute("data-state") == "altered"
    opened.tab.locator("#findings").get_by_role("link").first.click()
    assert opened.selected == SEARCH
    assert opened.drawn("≠ seed-1")["state"] == "altered"
    assert "it was altered after" in opened.tab.inner_text("#panel .causes")
    assert "≠ altered" in opened.tab.inner_text('#panel li[aria-current="true"]')


def test_hostile_text_does_nothing(browser, tmp_path):
    folder = make_results(tmp_path, 4)
    file = folder / "records/report.json"
    record = json.loads(file.read_text())
    del record["digest"]
    record["settings"] = {HOSTILE: {"__proto__": HOSTILE}}
    file.write_bytes(canonical_bytes(sealed(record)))
    opened = Opened(browser, written(folder), "#job=report")
    assert opened.complaints == []
    opened.press("/")
    opened.tab.keyboard.type("onerror")
    opened.press("Enter")
    assert opened.selected == "report"
    assert HOSTILE in opened.tab.locator("#panel").text_content()
    assert opened.tab.locator("img").count() == 0
    assert opened.tab.title() == "Provenance · Made-up results"
    assert opened.requests == opened.requests[:1]


def test_1500_jobs_are_usable(browser, large):
    """The browser is given its usual half a minute for each step; how quick it is on a busy machine says nothing."""
    opened = Opened(browser, large)
    opened.press("/")
    opened.tab.keyboard.type("seed-100")
    assert "files" in opened.tab.inner_text("#found")
    opened.press("Enter")
    assert "seed-100" in opened.selected
    assert opened.complaints == []
    assert opened.tab.evaluate("provenanceGraph.nodes().not('.passing').length") < 40


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("address", ["", f"#job={SEARCH}"])
def test_nothing_is_wider_than_the_window(browser, large, width, address):
    opened = Opened(browser, large, address, width)
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_wheel_scrolls_the_page_and_with_ctrl_zooms(opened):
    place = opened.drawn("report")
    opened.tab.mouse.move(place["x"], place["y"])
    zoom = opened.tab.evaluate("provenanceGraph.zoom()")
    opened.tab.mouse.wheel(0, 200)
    opened.wait_until("scrollY > 100")
    assert opened.tab.evaluate("provenanceGraph.zoom()") == zoom
    opened.tab.wait_for_timeout(500)  # right after the page scrolled, the library ignores the wheel
    opened.tab.keyboard.down("Control")
    opened.tab.mouse.wheel(0, -200)
    opened.wait_until(f"provenanceGraph.zoom() > {zoom}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_drawing_has_the_colours_of_the_scheme(opened, scheme):
    opened.tab.emulate_media(color_scheme=scheme)
    colour = "rgb(26,26,26)" if scheme == "light" else "rgb(232,234,237)"
    opened.wait_until(f"provenanceGraph.nodes()[0].style('color') === '{colour}'")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser, small, scheme, width):
    page = Opened(browser, small, f"#job={SEARCH}", width)
    page.tab.emulate_media(color_scheme=scheme)
    page.tab.locator("#panel details").evaluate_all("all => all.forEach(each => { each.open = true })")
    assert page.selected == SEARCH
    assert serious(page.tab) == []


def test_labels_are_inside_their_boxes_and_cut_in_the_middle(browser, small, tmp_path):
    named_long = small.read_text().replace("evaluate_genotype", "evaluate_genotype_of_every_search")
    (tmp_path / "long.html").write_text(named_long)
    opened = Opened(browser, tmp_path / "long.html")
    for _ in range(2):  # open, and folded
        assert opened.tab.evaluate(TOO_WIDE) == []
        opened.tab.click("#fold")
    labels = "provenanceGraph.nodes().toArray().flatMap(node => (node.data('label') ?? '').split('\\n'))"
    ends = [line.split("…") for line in opened.tab.evaluate(labels) if "…" in line]
    assert ends
    assert all(len(start) - len(end) in (0, 1) for start, end in ends)
