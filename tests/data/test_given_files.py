"""Reading a data set may open only the files it was given, and one that does otherwise is told so."""

import importlib.util
import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from workflow_scripts.data import image_readers
from workflow_scripts.data.given_files import only_given_files
from workflow_scripts.data.sets import digits
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import fetch_data

NAME = "workflow_scripts.data.sets.secret"


def fetch(tmp_path, monkeypatch, read):
    """Run the step on a data set whose function `read` is this one."""
    module = types.ModuleType(NAME)
    module.DATA_SET, module.read = replace(digits.DATA_SET, name="secret"), read
    monkeypatch.setitem(sys.modules, NAME, module)
    monkeypatch.setattr(fetch_data, "data_set_names", lambda: ["secret"])
    settings = {"module": NAME, "access": {"folder": tmp_path / "sources", "offline": True}}
    fetch_data.run(settings, {}, {"data": [tmp_path / "secret.npz"]}, Silent())


@pytest.mark.parametrize("caught", [False, True], ids=["raises", "goes on"])
def test_a_data_set_that_opens_another_file_is_told(tmp_path, monkeypatch, caught):
    secret = tmp_path / "labels.npy"
    np.save(secret, np.arange(3))

    def read(files):
        try:
            np.load(secret)
        except OSError:
            if not caught:
                raise
        return digits.read(files)

    with pytest.raises(ValueError, match=rf"^{NAME}: its function read opened {secret}, which it was not given; "):
        fetch(tmp_path, monkeypatch, read)
    assert not (tmp_path / "secret.npz").exists()
    np.load(secret)  # afterwards everything may be opened again


def test_a_data_set_that_a_library_brings_may_be_read(tmp_path, monkeypatch):
    fetch(tmp_path, monkeypatch, digits.read)
    assert (tmp_path / "secret.npz").exists()


def test_what_is_given_may_be_read_by_any_of_its_names(tmp_path):
    file, link = tmp_path / "given", tmp_path / "link"
    file.write_text("x")
    link.symlink_to(file)
    with only_given_files("it", [link]):
        assert file.read_text() == link.read_text() == "x"


def test_code_that_is_imported_meanwhile_may_leave_bytecode_and_read_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    for _ in range(2):
        with only_given_files("it", []):
            spec = importlib.util.spec_from_file_location("copy_of_image_readers", image_readers.__file__)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        assert list(tmp_path.rglob("image_readers.*.pyc"))
