"""The digest of a step's code changes with what the code does, and with nothing else."""

import ast
import importlib
import shutil
from inspect import isclass, isfunction
from itertools import count
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from workflow_scripts.provenance import identity
from workflow_scripts.provenance.identity import OUTSIDE, code_digests, combined
from workflow_scripts.runtime.module_code import FIRST_PARTY, ROOT, module_path

STEP = "workflow_scripts.steps.bake"
BAKE = '''"""Bake a cake."""

from workflow_scripts.kitchen import oven
from workflow_scripts.kitchen.flour import grams as weigh

HEAT = 180
"""degrees"""


class Cake:
    """What is baked."""

    layers: int = 3
    """from the bottom"""

    def eat(self, pieces=2):
        """Eat some."""
        # slowly
        return pieces * self.layers


def run(settings):
    """Bake."""
    text = """
    # no comment

    but data
    """
    return oven.bake(weigh(settings["flour"]), HEAT), text
'''
TREE = {
    "workflow_scripts/__init__.py": "",
    "workflow_scripts/steps/__init__.py": "",
    "workflow_scripts/steps/bake.py": BAKE,
    "workflow_scripts/steps/bake.html.j2": "<p>{{ cake }}</p>",
    "workflow_scripts/steps/fry.py": "from workflow_scripts.kitchen import pan\n",
    "workflow_scripts/kitchen/__init__.py": "",
    "workflow_scripts/kitchen/oven.py": "from . import timer\n\n\ndef bake(flour, heat):\n    return flour * heat\n",
    "workflow_scripts/kitchen/timer.py": "import os\n\nfrom ..tables.recipes import CAKE\n\nMINUTES = 5\n",
    "workflow_scripts/kitchen/flour.py": "def grams(cups):\n    import figures.scale\n\n    return cups * 125\n",
    "workflow_scripts/kitchen/pan.py": "FAT = 1\n",
    "workflow_scripts/tables/__init__.py": "",
    "workflow_scripts/tables/recipes.py": "CAKE = 1\n",
    "workflow_scripts/run.py": "import workflow_scripts.kitchen.pan\n",
    "figures/__init__.py": "",
    "figures/scale.py": "UNIT = 'g'\n",
}


@pytest.fixture
def kitchen(tmp_path):
    """Digest the made-up step with some files changed; each time in a folder of its own, as each process reads once."""
    numbers = count()

    def digest(changes=None, step=STEP):
        root = tmp_path / str(next(numbers))
        for name, text in {**TREE, **(changes or {})}.items():
            if text is not None:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
        return code_digests([step], root)

    return digest


def bake_with(old, new):
    assert BAKE.count(old) == 1
    return {"workflow_scripts/steps/bake.py": BAKE.replace(old, new)}


def test_the_closure_of_imports(kitchen):
    """Absolute, relative, `import a.b`, a module from a package, inside a function, and the packages on the way."""
    assert list(kitchen()) == [
        "figures",
        "figures.scale",
        "workflow_scripts",
        "workflow_scripts.kitchen",
        "workflow_scripts.kitchen.flour",
        "workflow_scripts.kitchen.oven",
        "workflow_scripts.kitchen.timer",
        "workflow_scripts.steps",
        "workflow_scripts.steps.bake",
        "workflow_scripts.tables",
        "workflow_scripts.tables.recipes",
    ]


@pytest.mark.parametrize(
    ("imported", "found"),
    [
        ("import workflow_scripts.kitchen.pan", True),
        ("import workflow_scripts.kitchen.pan as skillet", True),
        ("from workflow_scripts.kitchen import pan", True),
        ("from workflow_scripts.kitchen.pan import FAT", True),
        ("from workflow_scripts.kitchen.pan import *", True),
        ("from ..kitchen import pan", True),
        ("from ..kitchen.pan import FAT", True),
        ("if True:\n    from ..kitchen import pan", True),
        ("class A:\n    def b(self):\n        from ..kitchen import pan", True),
        ("from . import pan", False),
        ("import kitchen.pan", False),
        ("'import workflow_scripts.kitchen.pan'", False),
        ("# import workflow_scripts.kitchen.pan", False),
    ],
)
def test_forms_of_import(kitchen, imported, found):
    digests = kitchen({"workflow_scripts/steps/bake.py": f"X = 1\n{imported}\n"})
    assert ("workflow_scripts.kitchen.pan" in digests) is found


def test_relative_imports_in_a_package_start_at_the_package(kitchen):
    digests = kitchen({"workflow_scripts/kitchen/__init__.py": "from . import pan\nfrom ..steps import fry\n"})
    assert {"workflow_scripts.kitchen.pan", "workflow_scripts.steps.fry"} <= set(digests)


def test_a_circle_of_imports_ends(kitchen):
    assert STEP in kitchen({"workflow_scripts/tables/recipes.py": f"import {STEP}\n"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        # slowly\n", ""),
        ("        # slowly\n", "        # quickly  \n\n\n"),
        ('"""Bake a cake."""', '"""Bake\n\nanother cake."""'),
        ('"""Bake a cake."""\n', ""),
        ('    """What is baked."""\n', ""),
        ('        """Eat some."""\n', '        "Eat all."\n'),
        ('"""degrees"""', '"""degrees Celsius"""'),
        ('"""degrees"""\n', ""),
        ('    """from the bottom"""\n', '    """from the top"""\n'),
        ("pieces=2", "pieces = 2"),
        ("HEAT = 180", "HEAT = (\n    180\n)"),
        ("HEAT = 180", "HEAT = 1_8_0"),
        ('["flour"]', "['flour']"),
        ("pieces * self.layers", "(pieces * self.layers)"),
        ("\n\n\nclass", "\n\n\n\n\n\nclass"),
    ],
)
def test_text_that_does_nothing_changes_nothing(kitchen, old, new):
    assert kitchen(bake_with(old, new)) == kitchen()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HEAT = 180", "HEAT = 181"),
        ("HEAT = 180", "HEAT = 180.0"),
        ("HEAT = 180", "HEAT = '180'"),
        ("HEAT = 180", "HEAT = True"),
        ("pieces * self.layers", "pieces + self.layers"),
        ("pieces * self.layers", "self.layers * pieces"),
        ("pieces=2", "pieces=3"),
        ("pieces=2", "*, pieces=2"),
        ("grams as weigh", "grams as weight"),
        ("layers: int", "layers: float"),
        ("class Cake", "class Pie"),
        ("    # no comment\n", "    # no  comment\n"),
        ("    # no comment\n\n", "    # no comment\n"),
        ("def run(settings):", "@cache\ndef run(settings):"),
        ("        return pieces", "        return None\n        return pieces"),
        ("HEAT), text", "HEAT)"),
    ],
)
def test_what_the_code_does_changes_its_module_alone(kitchen, old, new):
    before, after = kitchen(), kitchen(bake_with(old, new))
    assert {name for name in before if before[name] != after[name]} == {STEP}
    assert combined(before) != combined(after)


@pytest.mark.parametrize(
    "name",
    [name for name in TREE if name.endswith(".py") and name.split("/")[-1] not in ("pan.py", "fry.py", "run.py")],
)
def test_every_module_in_the_closure_counts_packages_too(kitchen, name):
    assert combined(kitchen({name: TREE[name] + "\nMORE = 1\n"})) != combined(kitchen())


@pytest.mark.parametrize("name", ["kitchen/pan.py", "steps/fry.py", "run.py", "steps/new.py"])
def test_a_module_outside_the_closure_does_not_count(kitchen, name):
    assert kitchen({f"workflow_scripts/{name}": "EXTRA = 2\n"}) == kitchen()


def test_a_template_beside_a_module_is_part_of_it(kitchen):
    template = "workflow_scripts/steps/bake.html.j2"
    before = kitchen()
    for changes in ({template: "<p>cake</p>"}, {template: None}, {"workflow_scripts/steps/bake.css": "p {}"}):
        after = kitchen(changes)
        assert {name for name in before if before[name] != after[name]} == {STEP}
    assert kitchen({"workflow_scripts/steps/fry.css": "p {}"}) == before


@pytest.mark.parametrize("name", ["bake.py~", "bake.py.orig", "bake.pyc", ".bake.py.swp", "bake.d/notes.txt"])
def test_an_editors_copy_beside_a_module_is_no_part_of_it(kitchen, name):
    assert kitchen({f"workflow_scripts/steps/{name}": "left over"}) == kitchen()


def test_a_rename_changes_the_digest(kitchen):
    renamed = kitchen(
        {"workflow_scripts/steps/cook.py": BAKE, "workflow_scripts/steps/cook.html.j2": "<p>{{ cake }}</p>"}
    )
    assert renamed == kitchen()
    cook = kitchen({"workflow_scripts/steps/cook.py": BAKE}, "workflow_scripts.steps.cook")
    assert combined(cook) != combined(renamed)


def test_code_that_cannot_be_read(kitchen):
    with pytest.raises(ValueError, match=r"^workflow_scripts/kitchen/oven\.py, line 2: this is not valid Python \("):
        kitchen({"workflow_scripts/kitchen/oven.py": "import os\ndef bake(:\n"})
    with pytest.raises(FileNotFoundError, match=r"^there is no module workflow_scripts\.steps\.grill$"):
        kitchen(step="workflow_scripts.steps.grill")


def test_two_trees_in_one_process_have_their_own_digests(tmp_path, monkeypatch):
    """Also where both are given as the same relative path."""
    digests = []
    for folder, text in (("one", "A = 1\n"), ("two", "A = 2\n")):
        step = tmp_path / folder / "workflow_scripts" / "steps" / "bake.py"
        step.parent.mkdir(parents=True)
        step.write_text(text)
        monkeypatch.chdir(tmp_path / folder)
        digests.append(code_digests([STEP], Path(".")))
    assert digests[0] != digests[1]


# Lines of BAKE before which a line may be put: all but those inside its one long text, which is data.
LONG_TEXT = BAKE.splitlines().index('    text = """')
PLACES = [*range(LONG_TEXT + 1), *range(LONG_TEXT + 5, len(BAKE.splitlines()) + 1)]
INSERTED = st.lists(
    st.tuples(
        st.sampled_from(PLACES),
        st.sampled_from(["", "   ", "\t", "# a comment", "        # indented", "#", '# """', "# \\"]),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(INSERTED)
def test_comments_and_blank_lines_anywhere_change_nothing(tmp_path_factory, inserted):
    lines = BAKE.splitlines()
    for place, text in sorted(inserted, reverse=True):
        lines.insert(place, text)
    digests = []
    root = tmp_path_factory.mktemp("tree")
    for folder, text in (("before", BAKE), ("after", "\n".join(lines) + "\n")):
        step = root / folder / "workflow_scripts" / "steps" / "bake.py"
        step.parent.mkdir(parents=True)
        step.write_text(text)
        digests.append(code_digests([STEP], root / folder))
    shutil.rmtree(root)
    assert digests[0] == digests[1]


# this repository ------------------------------------------------------------------------------------------------------


def test_what_stands_outside_is_declared_and_there():
    assert OUTSIDE == (
        "workflow_scripts.run",
        "workflow_scripts.provenance",
        "workflow_scripts.study",
        "workflow_scripts.runtime.progress",
        "workflow_scripts.runtime.confined",
        "workflow_scripts.runtime.failures",
        "workflow_scripts.runtime.job_lock",
        "workflow_scripts.runtime.device_lease",
        "workflow_scripts.runtime.checkpoint",
        "workflow_scripts.runtime.durable",
        "workflow_scripts.runtime.locks",
        "workflow_scripts.runtime.module_code",
        "workflow_scripts.runtime.scheduler_dialects",
        "workflow_scripts.runtime.signals",
        "workflow_scripts.data.fetch",
    )
    assert [name for name in OUTSIDE if module_path(name) is None] == []


def test_what_stands_outside_is_in_no_steps_closure_and_names_alike_are():
    steps = [
        f"workflow_scripts.steps.{path.stem}" for path in sorted((ROOT / "workflow_scripts/steps").glob("[a-z]*.py"))
    ]
    assert len(steps) > 5
    digests = code_digests(steps)
    assert [name for name in digests if identity.is_outside(name)] == []
    assert {"workflow_scripts.cells.supernet", "workflow_scripts.runtime.seeds"} <= set(digests)
    assert identity.is_outside("workflow_scripts.study.cell_settings")
    assert not identity.is_outside("workflow_scripts.study_of_cells")
    assert not identity.is_outside("workflow_scripts.runtime")


DECIDES_NO_NUMBER = {
    "canonical": "the form of identities themselves: with another, every job is stale",
    "method_names": "a job's settings name its methods; this only refuses others",
    "module_name": "names the module, which is digested as one that the job chose",
    "mixing_module": "the same",
    "fetch": "what it fetches is checked against the checksum in the data set's module",
    "write_quickly": "how a file of the cache is written",
    "write_durably": "how the listing of own pictures is written",
    "lock_if_possible": "who compiles first",
    "file_digests": "names what a compiled function was made from",
}
"""Functions outside the digests that steps call."""


def inside():
    """The syntax trees of all modules that decide a number, by name."""
    folders = ("workflow_scripts/steps", "workflow_scripts/cells/methods", "workflow_scripts/data/sets", "figures")
    files = [path for folder in folders for path in (ROOT / folder).glob("[a-z]*.py")]
    digested = code_digests([path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in files])
    return {name: ast.parse(module_path(name).read_bytes()) for name in digested}


def imported_from_outside(tree):
    """What a module imports from those outside the digests, as the objects themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and identity.is_outside(node.module):
            for alias in node.names:
                yield getattr(importlib.import_module(node.module), alias.name)


def test_no_function_outside_the_digests_decides_a_number():
    """A step has from there what its settings say; a value computed there could change and leave results fresh."""
    called = {each.__name__ for tree in inside().values() for each in imported_from_outside(tree) if isfunction(each)}
    assert called == set(DECIDES_NO_NUMBER)


def models_in(kind):
    """The settings models that a type's values hold, itself included."""
    if isclass(kind) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(kind):
        yield from models_in(part)


def test_no_property_of_settings_decides_a_number():
    """Settings models stand outside the digests, so a step reads fields of theirs and nothing that is computed."""
    for name, tree in inside().items():
        models = {model for each in imported_from_outside(tree) for model in models_in(each)}
        computed = {key for model in models for key in vars(model) if not key.startswith(("_", "model_"))}
        read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not read & computed, name


def test_the_code_of_a_step_is_found_once(monkeypatch):
    """And what one caller does to what it was given, no other sees."""
    asked = []
    monkeypatch.setattr(identity, "code_digests", lambda modules: asked.append(modules) or code_digests(modules))
    identity._code.cache_clear()
    texts = [identity.identity_text("figure", {"figure": "style"}, modules) for modules in (["figures.style"], [], [])]
    assert (len(set(texts)), len(asked)) == (2, 2)
    identity.step_code("figure").clear()
    assert identity.step_code("figure") == code_digests(["workflow_scripts.steps.figure"])


def test_package_files_are_empty():
    """Or everything would depend on everything."""
    files = [path for part in FIRST_PARTY for path in (ROOT / part).rglob("__init__.py")]
    assert len(files) > 5
    assert [path for path in files if path.read_text().strip()] == []


def test_every_first_party_module_can_be_digested():
    for part in FIRST_PARTY:
        for path in (ROOT / part).rglob("*.py"):
            name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
            assert identity.is_outside(name) or name in code_digests([name])


def test_no_module_is_executed_to_find_its_imports(kitchen):
    changes = {"workflow_scripts/tables/recipes.py": "raise SystemExit('executed')\n"}
    assert "workflow_scripts.tables.recipes" in kitchen(changes)
