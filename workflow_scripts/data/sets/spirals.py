"""The spirals of the depth search, generated from a seed.

Source: "Variational Depth Search in ResNets" (arXiv 2002.02797) and its public code, whose generator follows the
N-arm spiral data set. The published generator ignores the seed it is given; here the seed decides the points and
their split, and nothing else does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.data.data_set import DataSet

DATA_SET = DataSet(
    name="spirals",
    description="Points on the arms of spirals, a class an arm; generated",
    citation="Antorán, Allingham and Hernández-Lobato, Variational Depth Search in ResNets, arXiv 2002.02797, 2020",
    licence="none needed: generated here",
)


@dataclass(frozen=True)
class Spirals:
    """Standardised points and their classes.

    x_*: (N, 2) float32, standardised by mean and standard deviation of the training points.
    y_*: (N,) int64, the arm a point lies on, from 0.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def spirals(
    points: int,
    train_points: int,
    noise: float,
    start_angle_degrees: float,
    stop_angle_degrees: float,
    arms: int,
    seed: int,
) -> Spirals:
    """Draw `points` points, equally many on each arm, and use the first `train_points` of a shuffle for training.

    Raises ValueError when the points cannot be shared equally or none is left for testing.
    """
    if points % arms or not 0 < train_points < points:
        raise ValueError(f"{points} points cannot be {train_points} for training and some for testing on {arms} arms")
    generator = np.random.default_rng(seed)
    x, y = draw_arms(points // arms, noise, start_angle_degrees, stop_angle_degrees, arms, generator)
    order = generator.permutation(points)
    x, y = x[order], y[order]
    mean, std = x[:train_points].mean(axis=0), x[:train_points].std(axis=0)
    standardised = ((x - mean) / std).astype(np.float32)
    return Spirals(standardised[:train_points], y[:train_points], standardised[train_points:], y[train_points:])


def draw_arms(
    points_per_arm: int,
    noise: float,
    start_angle_degrees: float,
    stop_angle_degrees: float,
    arms: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (N, 2) arm after arm, not standardised, and the arm (N,) of each.

    A point has radius and angle r = start + sqrt(U) * stop, both angles in radians and U uniform on [0, 1); its
    coordinates are (r cos r, r sin r), each with uniform noise from [0, noise) added; arm i is then turned by
    i / arms of a full turn.
    """
    start, stop = np.radians(start_angle_degrees), np.radians(stop_angle_degrees)
    drawn = []
    for arm in range(arms):
        radius = start + np.sqrt(generator.random(points_per_arm)) * stop
        point = np.stack([radius * np.cos(radius), radius * np.sin(radius)], axis=1)
        point += noise * generator.random((points_per_arm, 2))
        cosine, sine = np.cos(2 * np.pi * arm / arms), np.sin(2 * np.pi * arm / arms)
        drawn.append(point @ np.array([[cosine, sine], [-sine, cosine]]))
    return np.concatenate(drawn), np.repeat(np.arange(arms, dtype=np.int64), points_per_arm)
