"""What the project states about each data set, and how each official layout is read."""

import gzip
import io
import os
import re
import struct
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from workflow_scripts.data.data_set import (
    ImageSet,
    data_set_names,
    image_set_names,
    load_entry,
    load_image_set,
    module_name,
)
from workflow_scripts.data.fetch import BUNDLED, Access, fetch
from workflow_scripts.data.image_batches import load_part
from workflow_scripts.data.sets import cifar10, cifar100, digits, fashion_mnist, fashion_mnist_8x8, mnist, svhn
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import fetch_data
from workflow_scripts.study.cell_job_settings import images_of
from workflow_scripts.study.cell_settings import Cells

ROOT = Path(__file__).parents[2]
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CIFAR10 = ROOT.parent / "shared" / "data"
MNIST = Path(os.environ.get("MNIST_FOLDER", "/nowhere"))
NO_ACCESS = {"mirrors": [], "offline": True}
PUBLISHED = {  # RobustDARTS code
    "cifar10": ((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


def test_every_data_set_of_the_project_is_there():
    images = {"cifar10", "cifar100", "svhn", "mnist", "fashion_mnist", "fashion_mnist_8x8", "digits"}
    assert images <= set(image_set_names())
    assert images | {"spirals", "published_robustdarts", "published_evaluations", "published_confopt"} <= set(
        data_set_names()
    )
    assert not {"spirals", "published_robustdarts"} & set(image_set_names())


@pytest.mark.parametrize("name", data_set_names())
def test_facts(name):
    entry = load_entry(name)
    assert entry.name == name
    assert all(len(text) > 2 for text in (entry.description, entry.citation, entry.licence))
    assert len({file.key for file in entry.files}) == len(entry.files)
    for file in entry.files:
        assert all(address.startswith(("http://", "https://")) for address in file.addresses)
        bundled = (BUNDLED / name / file.forms[0].name).is_file()
        assert bool(file.addresses) != (bundled or name == "published_confopt"), "of these logs no address is known"
        for form in file.forms:
            assert form.known_from
            assert (form.sha256 is None) == (form.bytes is None)
            assert form.sha256 is None or re.fullmatch("[0-9a-f]{64}", form.sha256)
    if isinstance(entry, ImageSet):
        assert all(form.sha256 for file in entry.files for form in file.forms)


@pytest.mark.parametrize("name", image_set_names())
def test_image_facts(name):
    entry = load_image_set(name)
    assert entry.channels in (1, 3)
    assert entry.side % 4 == 0 and entry.side >= 8
    assert entry.classes >= 2
    assert entry.train_images > entry.classes and entry.test_images > entry.classes
    for normalisation in filter(None, (entry.normalisation, entry.depth_normalisation)):
        assert len(normalisation.mean) == len(normalisation.std) == entry.channels
        assert all(0 < value < 1 for value in (*normalisation.mean, *normalisation.std))


def test_importing_an_entry_loads_no_heavy_library():
    code = (
        "import sys; from workflow_scripts.data.data_set import data_set_names, load_entry; "
        "[load_entry(name) for name in data_set_names()]; "
        "print(sorted({'torch', 'torchvision', 'sklearn', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_normalisation(name):
    entry = load_image_set(name).normalisation
    assert (entry.mean, entry.std) == PUBLISHED[name]
    grid = {"spaces": ["s1"], "data_sets": [name], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
    images = images_of(Cells.model_validate({"grids": [grid]}), name, augment=True)
    assert (images.side, images.padding, images.cutout, images.flip) == (32, 4, 16, True)


def test_digits_are_augmented_in_proportion_and_never_mirrored():
    grid = {"spaces": ["s1"], "data_sets": ["digits"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
    cells = Cells.model_validate({"grids": [grid]})
    images = images_of(cells, "digits", augment=True)
    assert (images.side, images.padding, images.cutout, images.flip) == (8, 1, 4, False)
    plain = images_of(cells, "digits", augment=False)
    assert (plain.padding, plain.cutout, plain.flip) == (0, 0, False)


def test_digits_as_stated():
    found, entry = digits.read({}), digits.DATA_SET
    assert found["train_images"].shape == (1000, 1, 8, 8)
    assert found["test_images"].shape == (797, 1, 8, 8)
    assert (entry.train_images, entry.test_images) == (1000, 797)
    assert all(images.dtype == np.uint8 for name, images in found.items() if name.endswith("images"))
    assert all(labels.dtype == np.int64 for name, labels in found.items() if name.endswith("labels"))
    assert set(found["train_labels"]) == set(found["test_labels"]) == set(range(10))
    shares = found["train_images"] / 255
    assert shares.mean() == pytest.approx(entry.normalisation.mean[0], abs=1e-3)
    assert shares.std() == pytest.approx(entry.normalisation.std[0], abs=1e-3)
    levels = np.unique(found["train_images"])
    assert len(levels) == 17 and levels[0] == 0 and levels[-1] == 255


def test_digits_keep_their_order_and_labels():
    from sklearn.datasets import load_digits

    bundle, found = load_digits(), digits.read({})
    images = np.concatenate([found["train_images"], found["test_images"]])[:, 0]
    assert np.array_equal(np.rint(images / 255 * 16), bundle.images)
    assert np.array_equal(np.concatenate([found["train_labels"], found["test_labels"]]), bundle.target)


def test_prepared_file_is_the_same_bytes_each_time(tmp_path):
    for name in ("first", "again"):
        settings = {"module": module_name("digits"), "access": NO_ACCESS}
        read = fetch_data.run(settings, {}, {"data": [tmp_path / f"{name}.npz"]}, Silent())
        assert read == {"source": []}
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    with np.load(tmp_path / "first.npz") as stored:
        assert sorted(stored) == ["test_images", "test_labels", "train_images", "train_labels"]
        for name, values in digits.read({}).items():
            assert np.array_equal(stored[name], values)


# The official layouts, in small. -----------------------------------------------------------------------------------


def small(module, train=6, test=4):
    """The module's entry with other counts."""
    return replace(module.DATA_SET, train_images=train, test_images=test)


def drawn(entry, count, seed=0):
    """Images and labels drawn from a seed; every class number is possible."""
    random = np.random.default_rng(seed)
    shape = (count, entry.channels, entry.side, entry.side)
    return random.integers(0, 256, shape, dtype=np.uint8), random.integers(0, entry.classes, count, dtype=np.uint8)


def tar_of(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def cifar10_archive(path, entry):
    images, labels = drawn(entry, 10)
    records = [bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True)]
    names = [*(f"data_batch_{n}.bin" for n in (1, 2, 3, 4, 5)), "test_batch.bin"]
    batches = [records[0:2], *([record] for record in records[2:6]), records[6:]]
    files = {f"cifar-10-batches-bin/{name}": b"".join(batch) for name, batch in zip(names, batches, strict=True)}
    return tar_of(path, {"cifar-10-batches-bin/readme.html": b"text", **files}), images, labels


def same(found, images, labels, train=6):
    assert all(found[f"{part}_images"].dtype == np.uint8 for part in ("train", "test"))
    assert all(found[f"{part}_labels"].dtype == np.int64 for part in ("train", "test"))
    assert np.array_equal(np.concatenate([found["train_images"], found["test_images"]]), images)
    assert np.array_equal(np.concatenate([found["train_labels"], found["test_labels"]]), labels)
    assert len(found["train_labels"]) == train


def test_cifar10_layout(tmp_path):
    entry = small(cifar10)
    path, images, labels = cifar10_archive(tmp_path / "c.tar.gz", entry)
    same(cifar10.read({"archive": path}, entry), images, labels)


def cifar100_archive(path, images, labels):
    records = [bytes([7, label]) + image.tobytes() for image, label in zip(images, labels, strict=True)]
    files = {"cifar-100-binary/train.bin": b"".join(records[:6]), "cifar-100-binary/test.bin": b"".join(records[6:])}
    return tar_of(path, files)


def test_cifar100_layout_and_its_fine_labels(tmp_path):
    entry = small(cifar100)
    images, labels = drawn(entry, 10)
    same(cifar100.read({"archive": cifar100_archive(tmp_path / "c.tar.gz", images, labels)}, entry), images, labels)


def test_cifar100_label_that_is_no_class(tmp_path):
    entry = small(cifar100)
    images, labels = drawn(entry, 10)
    labels[7] = 100
    with refused("a test label is not one of the 100 classes"):
        cifar100.read({"archive": cifar100_archive(tmp_path / "c.tar.gz", images, labels)}, entry)


def svhn_files(folder, entry, **changes):
    """Both parts, compressed as the official ones; the training part with other arrays."""
    images, labels = drawn(entry, 10)
    labels[:2] = 0
    paths = {}
    for part, some in (("train", slice(6)), ("test", slice(6, None))):
        paths[part] = folder / f"{part}_32x32.mat"
        arrays = {"X": images[some].transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[some, None]}
        savemat(paths[part], arrays | (changes if part == "train" else {}), do_compression=True)
    return paths, images, labels


def test_svhn_layout_in_which_ten_is_zero(tmp_path):
    paths, images, labels = svhn_files(tmp_path, small(svhn))
    same(svhn.read(paths, small(svhn)), images, labels)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("module", [mnist, fashion_mnist])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_layout(tmp_path, module, suffix):
    entry = small(module)
    images, labels = drawn(entry, 10)
    paths = {}
    for part, some in (("train", slice(6)), ("test", slice(6, None))):
        for kind, array in (("images", images[some, 0]), ("labels", labels[some])):
            path = paths[f"{part}_{kind}"] = tmp_path / f"{part}-{kind}{suffix}"
            path.write_bytes(gzip.compress(idx(array)) if suffix else idx(array))
    same(module.read(paths, entry), images, labels)


@contextmanager
def refused(message):
    """The block raises ValueError with such a text, of one line."""
    with pytest.raises(ValueError, match=message) as error:
        yield
    assert "\n" not in str(error.value)


def idx_files(folder, entry, change=None, content=b""):
    images, labels = drawn(entry, 10)
    arrays = {
        "train_images": images[:6, 0],
        "train_labels": labels[:6],
        "test_images": images[6:, 0],
        "test_labels": labels[6:],
    }
    paths = {}
    for key, array in arrays.items():
        paths[key] = folder / f"{key}.gz"
        paths[key].write_bytes(content if key == change else gzip.compress(idx(array)))
    return paths


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx(np.zeros((6, 28, 28), np.uint8)))[:-20], "damaged or cut short"),
        (gzip.compress(b"\0\0\x0d\x03" + bytes(12)), "not an IDX file of unsigned bytes"),
        (gzip.compress(b""), "not an IDX file of unsigned bytes"),
        (gzip.compress(b"\0\0\x08"), "not an IDX file of unsigned bytes"),
        (gzip.compress(b"\0\0\x08\x03\0\0"), "cut short"),
        (gzip.compress(idx(np.zeros((6, 28, 28), np.uint8))[:-1]), r"states \(6, 28, 28\) and holds 4703 bytes"),
        (gzip.compress(idx(np.zeros((5, 28, 28), np.uint8))), r"it should have \(6, 1, 28, 28\)"),
        (gzip.compress(idx(np.zeros(6, np.uint8))), r"it should have \(6, 1, 28, 28\)"),
    ],
)
def test_idx_file_that_is_not_as_stated(tmp_path, content, message):
    entry = small(mnist)
    with refused(message):
        mnist.read(idx_files(tmp_path, entry, "train_images", content), entry)


def test_label_that_is_no_class(tmp_path):
    entry = small(mnist)
    content = gzip.compress(idx(np.full(6, 10, np.uint8)))
    with refused("a train label is not one of the 10 classes"):
        mnist.read(idx_files(tmp_path, entry, "train_labels", content), entry)


def test_cifar_archive_that_is_not_as_stated(tmp_path):
    entry = small(cifar10)
    path, _, _ = cifar10_archive(tmp_path / "c.tar.gz", entry)
    with refused(r"it should have \(7, 3, 32, 32\)"):
        cifar10.read({"archive": path}, small(cifar10, train=7))
    with refused(r"the member cifar-10-batches-bin/data_batch_1\.bin is missing"):
        cifar10.read({"archive": tar_of(tmp_path / "empty.tar.gz", {})}, entry)
    path.write_bytes(path.read_bytes()[:-5000])
    with refused("this archive is damaged or cut short"):
        cifar10.read({"archive": path}, entry)
    files = {
        f"cifar-10-batches-bin/{name}.bin": bytes(100)
        for name in ("test_batch", *(f"data_batch_{n}" for n in range(1, 6)))
    }
    with refused("does not consist of records of 3073 bytes"):
        cifar10.read({"archive": tar_of(tmp_path / "short.tar.gz", files)}, entry)


@pytest.mark.parametrize("length", [0, 10, 100, 127, 128, 300, 10_000])
def test_svhn_file_cut_short(tmp_path, length):
    paths, _, _ = svhn_files(tmp_path, small(svhn))
    paths["train"].write_bytes(paths["train"].read_bytes()[:length])
    with refused(r"train_32x32\.mat: this is not a MATLAB file with the arrays X and y"):
        svhn.read(paths, small(svhn))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.full((6, 1), 11, np.uint8)}, "a train label is not one of the 10 classes"),
        ({"y": np.full((5, 1), 1, np.uint8)}, r"labels \(5,\), it should have"),
        ({"X": np.zeros((32, 32, 3, 5), np.uint8)}, r"images \(5, 3, 32, 32\)"),
        ({"X": np.zeros((32, 32, 6), np.uint8)}, "not a MATLAB file with the arrays X and y"),
        ({"X": np.zeros((32, 32, 3, 6))}, "the pixels of the train part are float64"),
    ],
)
def test_svhn_file_that_is_not_as_stated(tmp_path, changes, message):
    paths, _, _ = svhn_files(tmp_path, small(svhn), **changes)
    with refused(message):
        svhn.read(paths, small(svhn))


def test_svhn_file_that_is_none(tmp_path):
    (tmp_path / "train.mat").write_bytes(b"no MATLAB file, but long enough to have a header" * 10)
    with refused(r"train\.mat: this is not a MATLAB file with the arrays X and y"):
        svhn.read({"train": tmp_path / "train.mat"}, small(svhn))


# The real data, where this machine has it. ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "folder"),
    [
        pytest.param(
            fashion_mnist,
            DEBIAN,
            marks=pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"),
        ),
        pytest.param(
            mnist,
            MNIST,
            marks=pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST_FOLDER names no folder with MNIST"),
        ),
    ],
)
def test_real_data(tmp_path, module, folder):
    files = fetch(module.DATA_SET, Access(tmp_path, (str(folder),), offline=True), Silent())
    found = module.read(files)
    assert found["train_images"].shape == (60000, 1, 28, 28)
    assert found["test_images"].shape == (10000, 1, 28, 28)
    normalisation = module.DATA_SET.normalisation
    assert found["train_images"].mean() / 255 == pytest.approx(normalisation.mean[0], abs=1e-3)
    assert found["train_images"].std() / 255 == pytest.approx(normalisation.std[0], abs=1e-3)
    assert np.bincount(found["test_labels"]).min() > 800


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_bundled_images_are_the_official_ones_resized(tmp_path):
    for name, mirrors in (("fashion_mnist", [str(DEBIAN)]), ("fashion_mnist_8x8", [])):
        settings = {
            "module": module_name(name),
            "access": {"folder": tmp_path / "kept", "mirrors": mirrors, "offline": True},
        }
        fetch_data.run(settings, {}, {"data": [tmp_path / f"{name}.npz"]}, Silent())
    grid = {"spaces": ["s4"], "data_sets": ["fashion_mnist"], "methods": ["darts"], "l2": [3e-4], "seeds": [1]}
    settings = images_of(Cells.model_validate({"image_size": 8, "grids": [grid]}), "fashion_mnist", augment=False)
    for part, count in (("train", 3500), ("test", 2000)):
        official = load_part(tmp_path / "fashion_mnist.npz", part, settings).first(count)
        bundled = load_part(tmp_path / "fashion_mnist_8x8.npz", part, settings)
        assert len(bundled) == count
        assert np.array_equal(official.images, bundled.images) and np.array_equal(official.labels, bundled.labels)


def test_the_bundled_images_are_small_and_read_without_network_or_mirror(tmp_path):
    files = fetch(fashion_mnist_8x8.DATA_SET, Access(tmp_path, offline=True), Silent())
    assert sum(path.stat().st_size for path in files.values()) < 400_000
    found = fashion_mnist_8x8.read(files)
    assert found["train_images"].shape == (3500, 1, 8, 8) and found["test_images"].shape == (2000, 1, 8, 8)
    assert np.bincount(found["train_labels"]).min() > 300


@pytest.mark.skipif(not CIFAR10.is_dir(), reason="CIFAR-10 is not next to this checkout")
def test_real_cifar10(tmp_path):
    """All 60000 images. The usual mean and deviation are those of the training pixels up to the seventh digit."""
    files = fetch(cifar10.DATA_SET, Access(tmp_path, (str(CIFAR10),), offline=True), Silent())
    found = cifar10.read(files)
    assert found["train_images"].shape == (50000, 3, 32, 32) and found["test_images"].shape == (10000, 3, 32, 32)
    assert np.bincount(found["train_labels"]).tolist() == [5000] * 10
    assert np.bincount(found["test_labels"]).tolist() == [1000] * 10
    channels = found["train_images"].transpose(1, 0, 2, 3)
    for channel, mean, deviation in zip(
        channels, cifar10.DATA_SET.normalisation.mean, cifar10.DATA_SET.normalisation.std, strict=True
    ):
        assert channel.mean() / 255 == pytest.approx(mean, abs=1e-6)
        assert channel.std() / 255 == pytest.approx(deviation, abs=1e-6)
    # Known pictures: the first training image is a frog, the first test image a cat, with these corner pixels.
    assert (found["train_labels"][0], found["test_labels"][0]) == (6, 3)
    assert found["train_images"][0, :, 0, 0].tolist() == [59, 62, 63]
    assert found["test_images"][0, :, 0, 0].tolist() == [158, 112, 49]
