"""Pictures of one's own as a data set: how they are read, split and stated, and the sentence for each fault."""

import hashlib
import io
import json
import os
import re
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from workflow_scripts.data.image_batches import load_part
from workflow_scripts.data.own import facts, source
from workflow_scripts.data.own.facts import facts_of
from workflow_scripts.data.own.pictures import read_pictures
from workflow_scripts.data.own.source import Source
from workflow_scripts.provenance.check_links import checksum_fault
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import made_up_data, own_data
from workflow_scripts.study import open_study
from workflow_scripts.study.cell_job_settings import images_of
from workflow_scripts.study.job_plan import Plan
from workflow_scripts.study.rehearsal import rehearsal_of
from workflow_scripts.study.study import Layer, StudyError, load_study

CLASSES = ("daisy", "rose", "tulip")
SOURCE = Source(folder=None, npz=None, side=8, grey=False, split=None, seed=1, test_fraction=0.2)
STUDY = """
study: flowers
title: Flowers
description: Small.
data: {own: {flowers: {folder: FOLDER, side: 8}}}
cells:
  grids:
    - {spaces: [s4], data_sets: [flowers], methods: [darts], l2: [3.0e-4], seeds: [1]}
  search: {epochs: 3}
figures: [found_cells]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The working folder, in which facts are noted; files there count as changed long ago."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(facts, "SETTLED_SECONDS", -1e9)


def pictures(folder: Path, count=10, size=(11, 14)) -> Path:
    """A folder of classes, each of another colour, with some noise."""
    random = np.random.default_rng(0)
    for channel, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 100, (*size, 3), dtype=np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def of_folder(folder, **changes):
    return read_pictures(replace(SOURCE, folder=str(folder), **changes))


def of_npz(tmp_path, arrays, **changes):
    np.savez(tmp_path / "given.npz", **arrays)
    return read_pictures(replace(SOURCE, npz=str(tmp_path / "given.npz"), **({"side": None} | changes)))


def images(count=20, *shape):
    return np.random.default_rng(1).integers(0, 256, (count, *(shape or (12, 12, 3))), dtype=np.uint8)


# a folder -------------------------------------------------------------------------------------------------------------


def test_a_folder_of_classes_is_split_by_the_seed(tmp_path):
    folder = pictures(tmp_path / "flowers")
    found = of_folder(folder)
    arrays, stated = found.arrays, found.facts
    assert (arrays["train_images"].shape, arrays["test_images"].shape) == ((24, 3, 8, 8), (6, 3, 8, 8))
    assert stated["classes"] == list(CLASSES) and (stated["train_images"], stated["test_images"]) == (24, 6)
    for part in ("train", "test"):  # each class has its colour, and the first images are of all classes
        labels = arrays[f"{part}_labels"]
        assert np.array_equal(arrays[f"{part}_images"].mean((2, 3)).argmax(1), labels)
        assert part == "test" or set(labels[:8]) == {0, 1, 2}
    shares = arrays["train_images"] / 255
    assert stated["mean"] == pytest.approx(shares.mean((0, 2, 3)), abs=1e-6)
    assert stated["deviation"] == pytest.approx(shares.std((0, 2, 3)), abs=1e-6)
    other = of_folder(folder, seed=2)
    assert not np.array_equal(other.arrays["test_images"], arrays["test_images"])
    assert json.loads(json.dumps(stated)) == stated, "it is JSON"


def test_the_digest_is_that_of_a_list_that_sha256sum_checks(tmp_path):
    folder = pictures(tmp_path / "flowers")
    found = of_folder(folder)
    assert hashlib.sha256(found.listing.encode()).hexdigest() == found.facts["sha256"]
    (tmp_path / "list").write_text(found.listing)
    done = subprocess.run(["sha256sum", "-c", "--quiet", tmp_path / "list"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout, found.listing.count("\n")) == (0, "", 30)


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_with_parts_keeps_them(tmp_path, test):
    folder = tmp_path / "flowers"
    pictures(folder / "train", 5), pictures(folder / test, 2)
    found = of_folder(folder)
    assert (found.facts["train_images"], found.facts["test_images"]) == (15, 6)
    assert found.facts["split"] == "its own parts"


def test_a_file_says_which_pictures_are_for_testing(tmp_path):
    folder, file = pictures(tmp_path / "flowers"), tmp_path / "split.txt"
    file.write_text("daisy/3.png\nrose/7.png\n\n")
    found = of_folder(folder, split=str(file))
    assert found.facts["test_images"] == 2
    assert hashlib.sha256(file.read_bytes()).hexdigest() in found.facts["split"]
    file.write_text("daisy/33.png\n")
    with pytest.raises(
        ValueError, match=r"split.txt: there is no picture daisy/33.png; the file has a line with a pic"
    ):
        of_folder(folder, split=str(file))


def test_a_picture_more_moves_no_other_from_one_part_to_the_other(tmp_path):
    folder = pictures(tmp_path / "flowers")
    before = {image.tobytes() for image in of_folder(folder).arrays["train_images"]}
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "rose" / "new.png")
    after = {image.tobytes() for image in of_folder(folder).arrays["train_images"]}
    assert len(before - after) <= 1


def test_pictures_are_cut_square_averaged_over_areas_and_may_be_grey(tmp_path):
    folder = pictures(tmp_path / "flowers", 2)
    wide = np.zeros((16, 40, 3), np.uint8)
    wide[:, 12:28] = np.arange(0, 256, dtype=np.uint8).reshape(16, 16, 1)
    Image.fromarray(wide).save(folder / "rose" / "0.png")
    (tmp_path / "split.txt").write_text("rose/0.png\n")
    split = str(tmp_path / "split.txt")
    (found,) = of_folder(folder, split=split).arrays["test_images"]
    means = wide[:, 12:28, 0].reshape(8, 2, 8, 2).mean((1, 3))
    assert np.abs(found - means).max() <= 1
    grey = of_folder(folder, split=split, grey=True)
    assert grey.facts["channels"] == len(grey.facts["mean"]) == 1
    assert np.array_equal(grey.arrays["test_images"][0, 0], found[0])


def test_sixteen_bits_are_scaled_and_a_turned_photo_is_upright(tmp_path):
    folder = pictures(tmp_path / "flowers", 2)
    Image.fromarray(np.full((8, 8), 0x8000, np.uint16)).save(folder / "rose" / "0.png")
    half, tags = Image.new("RGB", (8, 8)), Image.Exif()
    half.paste((255, 255, 255), (0, 0, 4, 8))  # bright on the left; turned by a quarter to the right, at the top
    tags[0x0112] = 6
    half.save(folder / "tulip" / "0.png", exif=tags)
    (tmp_path / "split.txt").write_text("rose/0.png\ntulip/0.png\n")
    found = of_folder(folder, split=str(tmp_path / "split.txt")).arrays
    deep, turned = (found["test_images"][found["test_labels"] == label][0] for label in (1, 2))
    assert np.all(deep == 0x80)
    assert turned[0, 0].min() == 255 and turned[0, 7].max() == 0


def broken(folder):
    (folder / "rose" / "0.png").write_bytes((folder / "rose" / "0.png").read_bytes()[:200])


def one_class(folder):
    for name in CLASSES[1:]:
        for file in (folder / name).iterdir():
            file.unlink()
        (folder / name).rmdir()


def of_32_bits(folder):
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "rose" / "0.tiff")


def cut(folder):
    for file in sorted((folder / "rose").iterdir())[1:]:
        file.unlink()


FOLDER_FAULTS = {
    "broken": (broken, r"rose/0\.png: this picture cannot be read \(image file is truncated"),
    "text": (lambda folder: (folder / "rose" / "0.png").write_text("x"), r"0\.png: this is no picture of a kind that"),
    "32 bits": (of_32_bits, r"0\.tiff: this picture cannot be read \(its pixels have 32 bits; save it with 8\)"),
    "empty": (lambda folder: (folder / ".cache").mkdir(), r"no valid file for the classes \.cache\. Remove such"),
    "one class": (one_class, r"flowers: it has one class only, daisy; two or more are needed"),
    "one picture": (cut, r"flowers: the class rose has one picture; a split needs two or more"),
    "half a split": (lambda folder: (folder / "train").mkdir(), r"it has the folder train and neither test nor val"),
    "name": (lambda folder: os.rename(folder / "rose/0.png", folder / "rose/a\nb.png"), r"may not have such a chara"),
}


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_a_folder_that_cannot_be_used(tmp_path, fault):
    folder = pictures(tmp_path / "flowers", 3)
    spoil, sentence = FOLDER_FAULTS[fault]
    spoil(folder)
    with pytest.raises(ValueError, match=sentence) as caught:
        of_folder(folder)
    assert "\n" not in str(caught.value)


def test_parts_with_different_classes_more_pictures_than_memory_and_no_folder(tmp_path, monkeypatch):
    folder = tmp_path / "flowers"
    pictures(folder / "train", 2), pictures(folder / "test", 2)
    os.rename(folder / "test" / "rose", folder / "test" / "ross")
    with pytest.raises(ValueError, match=r"flowers: the class rose is in only one of train and test"):
        of_folder(folder)
    with pytest.raises(ValueError, match=r"nowhere: there is no such folder"):
        of_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"rose: it holds no folder; each class needs one with its pictures"):
        of_folder(folder / "train" / "rose")
    monkeypatch.setattr(source.os, "sysconf", lambda name: 10)
    with pytest.raises(ValueError, match=r"its 6 pictures take 0\.0 of 0\.0 GB of memory; set a smaller side"):
        of_folder(folder / "train")


# an npz file ----------------------------------------------------------------------------------------------------------


def test_arrays_in_any_of_the_usual_orders(tmp_path):
    labels = np.arange(20) % 2
    last = images(20, 12, 12, 3)
    found = of_npz(tmp_path, {"images": last, "labels": labels[:, None]})  # a column of labels, as MedMNIST has it
    first = of_npz(tmp_path, {"images": last.transpose(0, 3, 1, 2), "labels": labels.astype(np.uint8)})
    assert found.facts | {"sha256": 0} == first.facts | {"sha256": 0}
    assert np.array_equal(found.arrays["train_images"], first.arrays["train_images"])
    assert (found.facts["side"], found.facts["channels"], found.facts["test_images"]) == (12, 3, 4)
    parts = {"train_images": images(9, 30, 20), "train_labels": np.arange(9) % 3, "test_images": images(2, 30, 20)}
    found = of_npz(tmp_path, parts | {"test_labels": np.array([2, 0])}, side=16)
    assert found.arrays["train_images"].shape == (9, 1, 16, 16)
    assert found.facts["classes"] == ["0", "1", "2"]


NPZ_FAULTS = {
    "no arrays": ({"pixels": images()}, r"it has no array images; it needs images and labels, or train_images, .*none"),
    "float": ({"images": images() / 255, "labels": np.arange(20) % 2}, r"images is float64; pixels must be uint8"),
    "shape": ({"images": images(20, 12), "labels": np.arange(20) % 2}, r"images has the shape \(20, 12\); it must be"),
    "labels": ({"images": images(), "labels": np.arange(19) % 2}, r"labels has the shape \(19,\); it must be \(20,\)"),
    "text": ({"images": images(), "labels": np.array(["a"] * 20)}, r"labels is <U1; labels must be whole numbers"),
    "negative": ({"images": images(), "labels": np.arange(20) % 2 - 1}, r"labels has the label -1; labels must be 0"),
    "gap": ({"images": images(), "labels": np.arange(20) % 2 * 2}, r"the class 1 has no training picture"),
    "far": ({"images": images(), "labels": np.arange(20) * 900}, r"it has the label 17100; labels must be 0, 1, 2"),
    "one class": ({"images": images(), "labels": np.zeros(20, int)}, r"it has one class only, 0"),
    "side": ({"images": images(20, 10, 10), "labels": np.arange(20) % 2}, r"its images are 10x10, not a square with"),
    "same": ({"images": 0 * images(), "labels": np.arange(20) % 2}, r"all its training pictures have the same pixels"),
    "objects": ({"images": np.array([{}] * 20), "labels": np.arange(20)}, r"one of its arrays cannot be read \(Object"),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_an_npz_file_that_cannot_be_used(tmp_path, fault):
    arrays, sentence = NPZ_FAULTS[fault]
    with pytest.raises(ValueError, match=sentence) as caught:
        of_npz(tmp_path, arrays)
    assert str(caught.value).startswith(str(tmp_path / "given.npz"))


def test_no_npz_file_and_one_that_is_none(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.npz: there is no such file"):
        read_pictures(replace(SOURCE, npz=str(tmp_path / "nothing.npz")))
    (tmp_path / "text.npz").write_text("x")
    with pytest.raises(ValueError, match=r"text\.npz: this is no readable npz file \(File is not a zip file\)"):
        read_pictures(replace(SOURCE, npz=str(tmp_path / "text.npz")))


# in a study -----------------------------------------------------------------------------------------------------------


def study_of(folder, **changes):
    values = yaml.safe_load(STUDY.replace("FOLDER", str(folder)))
    values["data"]["own"]["flowers"] |= changes
    return load_study([Layer("FILE", values)])


def test_three_lines_of_a_study_make_a_data_set(tmp_path):
    study = study_of(pictures(tmp_path / "flowers", 20))
    seen = images_of(study.cells, "flowers", augment=True)
    assert (seen.channels, seen.side, seen.classes, seen.flip, len(seen.mean)) == (3, 8, 3, True, 3)
    plan = Plan(study)
    job = plan.job("fetch_data", data_set="flowers")
    assert (job.step, job.name, job.writes) == ("own_data", "flowers", ["data/flowers.npz"])
    assert str(tmp_path) not in json.dumps(job.settings), "where they lie decides nothing"
    settings = {**job.settings, "access": json.loads(plan.access())}
    read = own_data.run(settings, {}, {"data": [tmp_path / "made.npz"]}, Silent())
    part = load_part(tmp_path / "made.npz", "train", seen)
    assert part.batch(range(48))[0].mean().abs() < 1e-3, "normalised by the mean that is recorded"
    assert hashlib.sha256(read["source"][0].read_bytes()).hexdigest() == job.settings["sha256"]

    small = Plan(rehearsal_of(study)).job("made_up_data", data_set="flowers")
    made_up_data.run(small.settings, {}, {"data": [tmp_path / "small.npz"]}, Silent())
    with np.load(tmp_path / "small.npz") as arrays:
        assert arrays["train_images"].shape[1:] == (3, 8, 8) and arrays["train_labels"].max() == 2


def test_the_lines_of_the_document(tmp_path):
    document = Path(__file__).parents[2] / "docs" / "extending.md"
    (block,) = re.findall(r"```yaml\n(data:\n  own:.*?)```", document.read_text(), re.DOTALL)
    pictures(tmp_path / "pictures" / "flowers")
    values = yaml.safe_load(STUDY) | yaml.safe_load(block)
    job = Plan(load_study([Layer("docs/extending.md", values)])).job("fetch_data", data_set="flowers")
    assert (job.settings["side"], job.settings["classes"]) == (16, list(CLASSES))


def test_a_changed_picture_is_another_data_set_and_ends_a_job_that_was_started_before(tmp_path):
    folder = pictures(tmp_path / "flowers")
    plan = Plan(study_of(folder))
    before = plan.job("fetch_data", data_set="flowers").settings
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "rose" / "0.png")
    after = Plan(study_of(folder)).job("fetch_data", data_set="flowers").settings
    assert before["sha256"] != after["sha256"]
    with pytest.raises(ValueError, match=r"^flowers: its pictures changed after the workflow was started \(sha256 is "):
        own_data.run({**before, "access": json.loads(plan.access())}, {}, {"data": [tmp_path / "x.npz"]}, Silent())
    assert not (tmp_path / "x.npz").exists()


def test_pictures_are_read_again_only_after_a_file_changed(tmp_path, capsys, monkeypatch):
    folder = pictures(tmp_path / "flowers")
    asked = replace(SOURCE, folder=str(folder))
    first = facts_of("flowers", asked)
    assert capsys.readouterr().err == f"flowers: reading the pictures of {folder}\n"
    assert facts_of("flowers", asked) == first
    assert capsys.readouterr().err == ""
    file = folder / "rose" / "0.png"
    state, content = file.stat(), bytearray(file.read_bytes())
    pixels = np.array(Image.open(io.BytesIO(content)))
    assert pixels.shape == (11, 14, 3)
    (folder / "tulip" / "0.png").replace(file)  # another picture under its name, with its time
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    (folder / "tulip" / "0.png").write_bytes(content)
    assert facts_of("flowers", asked)["sha256"] != first["sha256"]
    # files that changed a moment ago may change again without another time
    monkeypatch.setattr(facts, "SETTLED_SECONDS", 3600)
    file.write_bytes(content)
    facts_of("flowers", asked)
    capsys.readouterr()
    facts_of("flowers", asked)
    assert "reading the pictures" in capsys.readouterr().err


def test_results_stay_readable_where_the_pictures_are_gone(tmp_path, capsys):
    folder = pictures(tmp_path / "flowers")
    before = Plan(study_of(folder)).job("fetch_data", data_set="flowers").settings
    folder.rename(tmp_path / "gone")
    assert Plan(study_of(folder)).job("fetch_data", data_set="flowers").settings == before
    assert "is not there; what was noted of it is taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"side": 10}, "FILE: data.own.flowers.side is 10; allowed: a multiple of 4"),
        ({"side": None}, "FILE: the key data.own.flowers.side is missing (side in pixels of the images that"),
        ({"npz": "x"}, "FILE: data.own.flowers: a data set of your own needs the key folder or the key npz, and not"),
        ({"grei": True}, "FILE: data.own.flowers.grei is not a known key (did you mean grey?); known are folder, npz"),
        ({"test_fraction": 1.0}, "FILE: data.own.flowers.test_fraction is 1.0; allowed: less than 1"),
        ({"split": "nothing.txt"}, "FILE: data.own.flowers: "),
    ],
)
def test_mistakes_in_a_study(tmp_path, changes, sentence):
    with pytest.raises(StudyError) as caught:
        study_of(pictures(tmp_path / "flowers"), **changes)
    assert str(caught.value).startswith(sentence)


def test_names_that_are_taken_or_cannot_be_used_and_too_few_pictures(tmp_path):
    folder = pictures(tmp_path / "flowers")
    values = yaml.safe_load(STUDY.replace("FOLDER", str(folder)))
    for name, sentence in (("digits", "data.own.digits: a data set of this name"), ("My-1", "data.own: My-1 cannot")):
        values["data"]["own"] = {name: {"folder": str(folder), "side": 8}}
        with pytest.raises(StudyError, match=f"^FILE: {sentence}"):
            load_study([Layer("FILE", values)])
    values = yaml.safe_load(STUDY.replace("FOLDER", str(folder)))
    values["cells"]["search"]["subset"] = 30
    with pytest.raises(StudyError, match="30 are more than the 24 training images of flowers"):
        load_study([Layer("FILE", values)])


def test_an_audit_knows_the_list_of_files_by_the_settings(tmp_path):
    stated = of_folder(pictures(tmp_path / "flowers")).facts
    record = SimpleNamespace(step="own_data", settings=stated)
    assert checksum_fault(record, SimpleNamespace(sha256=stated["sha256"])) is None
    assert checksum_fault(record, SimpleNamespace(sha256="0")) == "it is not the list of files that was planned"


def test_where_they_lie_is_noted_for_a_job_that_is_run_again(tmp_path):
    folder = pictures(tmp_path / "flowers")
    facts_of("flowers", replace(SOURCE, folder="flowers"))
    assert facts.noted_sources(tmp_path / "data/own") == {"flowers": asdict(replace(SOURCE, folder=str(folder)))}


def test_the_small_study_that_the_document_makes_of_the_demo_is_sound(tmp_path, monkeypatch):
    text = (open_study.ROOT / "docs/extending.md").read_text()
    changes = re.search(r"`(study=my_flowers [^`]*)`", text)[1].replace("\n", " ")
    monkeypatch.setattr(open_study, "LOCAL", tmp_path / "local.yaml")
    pictures(tmp_path / "pictures" / "flowers", count=125)  # 300 of them for training
    study = open_study.named_study(open_study.ROOT / "config/demo.yaml", changes)
    assert (study.study, study.depth, study.figures) == ("my_flowers", None, ["found_cells", "test_error"])
    assert {job.settings.images.data_set for job in Plan(study).jobs if job.step == "evaluate_genotype"} == {"flowers"}
