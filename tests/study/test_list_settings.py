"""docs/settings.md says what the settings' models say."""

from workflow_scripts import list_settings
from workflow_scripts.study.cell_settings import Search
from workflow_scripts.study.study import Study


def test_the_page_is_the_one_that_the_models_give():
    assert list_settings.PAGE.read_text() == list_settings.settings_page(), (
        "run python -m workflow_scripts.list_settings"
    )


def test_every_key_of_a_model_stands_in_the_table_of_its_place():
    page = list_settings.settings_page()
    tables = dict(section.split("\n", 1) for section in page.split("\n## ")[1:])
    assert set(Search.model_fields) == {
        row.split("`")[1] for row in tables["`cells.search`"].splitlines() if row.startswith("| `")
    }
    assert set(Study.model_fields) == {
        row.split("`")[1] for row in tables["The study"].splitlines() if row.startswith("| `")
    }
    (epochs,) = (row for row in tables["`cells.selection.training`"].splitlines() if row.startswith("| `epochs`"))
    assert epochs.startswith("| `epochs` | whole number, 1 or more | `25` |"), "the default of this place"
