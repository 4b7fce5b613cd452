"""The spiral generator: geometry, split, standardisation and seeds."""

import numpy as np
import pytest

from workflow_scripts.data.sets.spirals import draw_arms, spirals


def draw(seed=1, points=200, train_points=20, noise=0.0, start=0.0, stop=720.0, arms=2):
    return spirals(points, train_points, noise, start, stop, arms, seed)


def test_shapes_types_and_split():
    data = draw()
    assert data.x_train.shape == (20, 2)
    assert data.x_test.shape == (180, 2)
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    assert np.bincount(np.concatenate([data.y_train, data.y_test])).tolist() == [100, 100]


def test_training_points_are_standardised_and_test_points_by_the_same_numbers():
    data = draw(train_points=150)
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, atol=1e-6)
    assert np.abs(data.x_test.mean(axis=0)).max() > 1e-4


@pytest.mark.parametrize("arms", [2, 3])
def test_without_noise_the_radius_is_the_angle_and_each_arm_is_turned_further(arms):
    x, y = draw_arms(50, 0.0, 0.0, 720.0, arms, np.random.default_rng(4))
    radius = np.hypot(x[:, 0], x[:, 1])
    turned = radius + 2 * np.pi * y / arms
    np.testing.assert_allclose(x, np.stack([radius * np.cos(turned), radius * np.sin(turned)], axis=1), atol=1e-12)
    assert np.bincount(y).tolist() == [50] * arms
    assert radius.max() < 4 * np.pi


def test_points_are_spread_evenly_over_the_disc_and_start_at_the_start_angle():
    x, _ = draw_arms(20_000, 0.0, 90.0, 360.0, 2, np.random.default_rng(4))
    share = (np.hypot(x[:, 0], x[:, 1]) - np.pi / 2) / (2 * np.pi)
    assert share.min() >= 0
    assert np.mean(share**2) == pytest.approx(0.5, abs=0.01)  # the square of the share is uniform


def test_noise_is_uniform_and_pushes_one_way():
    clean, _ = draw_arms(5000, 0.0, 0.0, 720.0, 1, np.random.default_rng(4))
    noisy, _ = draw_arms(5000, 0.4, 0.0, 720.0, 1, np.random.default_rng(4))
    pushed = noisy - clean
    assert pushed.min() >= -1e-12
    assert pushed.max() < 0.4
    assert pushed.mean() == pytest.approx(0.2, abs=0.01)


def test_the_seed_decides_points_and_split():
    one, again, other = draw(seed=1), draw(seed=1), draw(seed=2)
    assert one.x_train.tobytes() == again.x_train.tobytes()
    assert one.x_test.tobytes() == again.x_test.tobytes()
    assert one.y_train.tobytes() == again.y_train.tobytes()
    assert not np.array_equal(one.x_test, other.x_test)


def test_the_global_generator_has_no_influence():
    np.random.seed(1)
    one = draw()
    np.random.seed(2)
    assert one.x_train.tobytes() == draw().x_train.tobytes()


def test_points_of_a_seed_are_these():
    """Guards the meaning of a seed, on which every recorded run depends."""
    data = draw(seed=7, points=20, train_points=4, noise=0.2)
    np.testing.assert_allclose(data.x_train[0], [-1.3681327, -0.38190636], rtol=1e-5)
    assert data.y_train.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("settings", [{"points": 201}, {"train_points": 200}, {"train_points": 0}])
def test_an_impossible_split_is_refused(settings):
    with pytest.raises(ValueError, match="points cannot be"):
        draw(**settings)
