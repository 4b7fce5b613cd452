"""How the published code brings a batch to the search: image by image, by worker processes.

Source: the DARTS training script, which RobustDARTS keeps: a torch DataLoader over PIL images with torchvision's crop
and flip, then normalisation and a cutout drawn with numpy. The alpha batch of every step is the first of a NEW iterator
over the validation half, whose workers are started for it and left again.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, SubsetRandomSampler
from torchvision import transforms

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
WORKERS = 2

Batch = tuple[torch.Tensor, torch.Tensor]


class Cutout:
    """A square of zeros anywhere in an image (3, S, S), clipped at the border."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[1:]
        y, x = np.random.randint(height), np.random.randint(width)
        top, bottom = np.clip([y - self.length // 2, y + self.length // 2], 0, height)
        left, right = np.clip([x - self.length // 2, x + self.length // 2], 0, width)
        mask = np.ones((height, width), np.float32)
        mask[top:bottom, left:right] = 0.0
        return image * torch.from_numpy(mask).expand_as(image)


class TransformedImages(Dataset):
    """Images (N, S, S, 3) uint8 with labels (N,), each transformed when it is asked for."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        side = images.shape[1]
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(side, padding=side // 8),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
                Cutout(side // 2),
            ]
        )

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """One image (3, S, S), transformed, and its label."""
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class SearchLoaders:
    """The two halves of a training set: one passed through in order, one opened anew for every batch."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch_size: int) -> None:
        data, half = TransformedImages(images, labels), len(labels) // 2
        self.train = DataLoader(
            data, batch_size, sampler=SubsetRandomSampler(range(half)), num_workers=WORKERS, drop_last=True
        )
        self.valid = DataLoader(
            data, batch_size, sampler=SubsetRandomSampler(range(half, len(labels))), num_workers=WORKERS
        )
        self.running: Iterator[Batch] = iter(self.train)

    def train_batch(self) -> Batch:
        """The next batch of the pass."""
        try:
            return next(self.running)
        except StopIteration:
            self.running = iter(self.train)
            return next(self.running)

    def alpha_batch(self) -> Batch:
        """The first batch of a new iterator."""
        return next(iter(self.valid))
