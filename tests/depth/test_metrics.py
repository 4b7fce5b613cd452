"""Calibration, against torchmetrics and by hand."""

import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from workflow_scripts.depth.metrics import calibration_bins, calibration_error, published_calibration_error


@pytest.mark.parametrize("classes", [2, 10])
def test_the_calibration_error_is_torchmetrics(classes):
    generator = torch.Generator().manual_seed(classes)
    log_probabilities = torch.log_softmax(3 * torch.randn(500, classes, generator=generator).double(), dim=-1)
    y = torch.randint(classes, (500,), generator=generator)
    bins = calibration_bins(log_probabilities, y)
    expected = multiclass_calibration_error(log_probabilities.exp(), y, classes, n_bins=10, norm="l1")
    assert calibration_error(bins) == pytest.approx(expected.item(), rel=1e-6)
    assert bins[:, 0].sum() == 500


def test_a_probability_on_an_edge_belongs_to_the_bin_below_and_with_torchmetrics_to_the_bin_above():
    """Right at 0.5, wrong at 0.45 and 0.55: who shares the bin decides. 1 lies in the last bin, not beyond it."""
    p = torch.tensor([[0.5, 0.2, 0.3], [0.45, 0.35, 0.2], [0.55, 0.25, 0.2], [1.0, 0.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 0])
    bins = calibration_bins(p.log(), y)
    assert bins[[4, 5, 9], 0].tolist() == [2, 1, 1]
    assert calibration_error(bins) == pytest.approx((2 * abs(0.475 - 1 / 2) + 0.55) / 4)
    theirs = multiclass_calibration_error(p, y, 3, n_bins=10, norm="l1").item()
    assert theirs == pytest.approx((0.45 + 2 * abs(0.525 - 1 / 2)) / 4)


def test_torchmetrics_puts_certainty_into_a_bin_of_its_own():
    p = torch.tensor([[1.0, 0.0], [0.95, 0.05]], dtype=torch.float64)
    y = torch.tensor([0, 1])
    assert calibration_error(calibration_bins(p.log(), y)) == pytest.approx(abs(0.975 - 1 / 2))
    assert multiclass_calibration_error(p, y, 2, n_bins=10, norm="l1").item() == pytest.approx(0.95 / 2)


def test_bins_by_hand():
    p = torch.tensor([[0.55, 0.45], [0.6, 0.4], [0.05, 0.95], [0.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 0])
    bins = calibration_bins(p.log(), y)
    assert bins[5].tolist() == pytest.approx([2, 0.575, 0.5])
    assert bins[9].tolist() == pytest.approx([2, 0.975, 0.5])
    assert bins[:5].eq(0).all()
    assert calibration_error(bins) == pytest.approx((2 * 0.075 + 2 * 0.475) / 4)


def test_the_published_error_by_hand():
    """One point per bin of class 0, its twin of class 1 in the bin opposite; right is what is likeliest and true."""
    low = torch.arange(10).double() / 10 + 0.05
    p = torch.stack([low, 1 - low], dim=1)
    y = torch.zeros(10, dtype=torch.int64)
    hits = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]  # of two predictions in each bin
    expected = sum(abs(hit / 2 - (b + 1) / 10) for b, hit in enumerate(hits)) / 10
    assert published_calibration_error(p.log(), y) == pytest.approx(expected)


def test_the_published_error_does_not_exist_with_an_empty_bin():
    p = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    assert published_calibration_error(p.log(), torch.tensor([1])) is None
    assert math.isfinite(calibration_error(calibration_bins(p.log(), torch.tensor([1]))))
