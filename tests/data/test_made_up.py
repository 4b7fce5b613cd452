"""Images that a rehearsal makes up have the form of the prepared ones."""

import numpy as np
import pytest

from workflow_scripts.data.data_set import image_set_names, load_image_set, module_name
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.steps import made_up_data


def made(folder, name, images=5):
    file = folder / f"{name}.npz"
    made_up_data.run({"module": module_name(name), "images": images}, {}, {"data": [file]}, Silent())
    return file


@pytest.mark.parametrize("name", image_set_names())
def test_made_up_images_have_the_shape_and_classes_of_the_set(name, tmp_path):
    entry = load_image_set(name)
    with np.load(made(tmp_path, name, 40)) as arrays:
        assert sorted(arrays) == ["test_images", "test_labels", "train_images", "train_labels"]
        for part in ("train", "test"):
            images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
            assert (images.shape, images.dtype) == ((40, entry.channels, entry.side, entry.side), np.uint8)
            assert (labels.shape, labels.dtype) == ((40,), np.int64)
            assert labels.min() >= 0 and labels.max() < entry.classes
            assert images.min() < 10 and images.max() > 245
        assert not np.array_equal(arrays["train_images"], arrays["test_images"])


def test_made_up_images_are_the_same_each_time_and_others_for_each_set(tmp_path):
    first, again, other = (made(tmp_path / place, name).read_bytes() for place, name in PLACES)
    assert first == again != other


PLACES = (("one", "cifar10"), ("two", "cifar10"), ("three", "svhn"))


def test_a_module_that_is_no_image_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not the module of an image data set"):
        made(tmp_path, "published_robustdarts")
