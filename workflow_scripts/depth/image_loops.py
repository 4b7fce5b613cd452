"""A pass through an image depth network, forward and backward, one compiled program each; `image_pass.py` calls them.

A layer is BatchNorm, ReLU, convolution. What is between two convolutions is never stored: BatchNorm is a scale and a
shift of what the earlier one made, which the later one applies, with ReLU, where it reads; and so do the gradients. All
loops go over a few images at a time, so that these stay in the cache. The input layer reads the images as they are; it
and the pooling after it are one convolution, of stride 2.
"""

from typing import Any, NamedTuple

import numpy as np

from workflow_scripts.depth.image_kernels import (
    Array,
    Lanes,
    add_moments,
    add_outer_products,
    add_state_gradient,
    finish_state,
    mask_gradient,
    multiply_windows,
    norm_gradient,
    place_windows,
    rectify,
)
from workflow_scripts.runtime.compilation import compiled, inlined

INPUTS, OUTPUTS, SIDE, X, BIAS, Y, BEFORE, STATE, NORM, SCALE, WEIGHT = range(11)
"""A layer's row of a table of whole numbers; -1 where it has none.

Channels that it reads and makes; side of its windows; where in `layers` its input begins, and among the parameters the
bias which that still lacks; where in `layers` its output begins, and what is added to that; the depth of the state
that its output is; where in a row of `norms` its BatchNorm's channels begin, and among the parameters BatchNorm's scale
(then its shift) and the convolution's weight (outputs, rows, columns, inputs; then its bias).
"""

INTEGER: Any = np.int64  # a plain 0 would be a type of its own, for which called functions are compiled again


class Sizes(NamedTuple):
    """Of the images and of the states; `together` images pass through a layer at a time."""

    images: int
    image_width: int
    height: int
    width: int
    together: int


class Memory(NamedTuple):
    """What passes write to, each one line of numbers."""

    layers: Array
    """what the convolutions made, states with their bias and all others without"""
    norms: Array
    """four rows: scale and shift of each BatchNorm, and those without its parameters"""
    frame: Array
    """a few images, as a layer reads them"""
    other: Array
    """their gradients"""
    found: Array
    """what a backward layer makes of these"""
    product: Array
    """a layer's weight, as its product reads it"""
    of_product: Array
    """its gradient"""
    factors: Array
    """three rows: of the gradient of a BatchNorm"""
    flows: Array
    """two gradients of what BatchNorms made, that of a layer and that of the one after it"""
    gradient: Array
    """of a state"""
    sums: Array
    """two rows, in double precision"""
    places: Array
    """where windows begin"""
    g_places: Array
    """the same, of their gradients"""


@inlined
def _clear(numbers: Array, count: int) -> None:
    for i in range(count):
        numbers[i] = 0


@inlined
def _frame(side: int, height: int, width: int, channels: int) -> tuple[int, int, int]:
    """Width of the border, numbers of a row, numbers of an image, in a frame that windows of that side stay inside."""
    border = 1 if side == 3 else 0
    line = (width + 2 * border) * channels
    return border, line, (height + 2 * border) * line


@compiled
def _transpose(out: Array, to: int, matrix: Array, at: int, rows: int, columns: int) -> None:
    """out (columns, rows) = matrix (rows, columns), which turns a weight to what its product reads, and back."""
    for i in range(rows):
        for j in range(columns):
            out[to + j * rows + i] = matrix[at + i * columns + j]


@compiled
def _turn(product: Array, parameters: Array, weight: int, taps: int, outputs: int, inputs: int) -> None:
    """A weight for the product that makes the gradient of a convolution's input of that of its output."""
    for o in range(outputs):
        for tap in range(taps):
            to, source = ((taps - 1 - tap) * outputs + o) * inputs, weight + (o * taps + tap) * inputs
            for k in range(inputs):
                product[to + k] = parameters[source + k]


@compiled
def _normalise(
    row: Array, count: int, parameters: Array, statistics: Array, training: bool, epsilon: float, memory: Memory
) -> None:
    """Set the rows of `norms` for the BatchNorm of a layer.

    In training by the moments of its input, which are in memory.sums; mean and unbiased variance become `statistics`.
    Else by `statistics`.
    """
    norms, sums, channels = memory.norms, memory.sums, row[INPUTS]
    total, scales = len(norms) // 4, row[SCALE]
    for c in range(channels):
        at = row[NORM] + c
        bias = 0.0 if row[BIAS] < 0 else np.float64(parameters[row[BIAS] + c])
        if training:
            beside = sums[c] / count
            mean = memory.layers[row[X] + c] + beside
            variance = sums[len(sums) // 2 + c] / count - beside * beside
            statistics[at], statistics[total + at] = mean + bias, variance * count / (count - 1)
        else:
            mean, variance = statistics[at] - bias, np.float64(statistics[total + at])
        inverse = 1 / np.sqrt(variance + epsilon)
        scale = parameters[scales + c] * inverse
        norms[at], norms[total + at] = scale, parameters[scales + channels + c] - mean * scale
        norms[2 * total + at], norms[3 * total + at] = inverse, -mean * inverse


@compiled
def forward(
    table: Array, sizes: Sizes, images: Array, parameters: Array, statistics: Array, training: bool, epsilon: float,
    means: Array, memory: Memory, lanes: Lanes,
) -> None:  # fmt: skip
    """The means (blocks + 1, n, outer) of all states. `statistics` are two rows, mean and variance of all BatchNorms.

    In training they are written: those of this batch, the variance unbiased. Else they are used.
    """
    height, width, pixels, layers = sizes.height, sizes.width, sizes.height * sizes.width, memory.layers
    zero = INTEGER(0)
    for r in range(len(table)):
        row = table[r]
        inputs, outputs, side, y = row[INPUTS], row[OUTPUTS], row[SIDE], row[Y]
        border, line, size = _frame(side, height, width, inputs)
        stride, frame = 1, memory.frame
        if r == 0:
            stride, frame, line, size = 2, images, sizes.image_width * inputs, images.size // sizes.images
        else:
            _normalise(row, sizes.images * pixels, parameters, statistics, training, epsilon, memory)
            _clear(frame, sizes.together * size)
        place_windows(memory.places, height, width, size, stride * line, stride * inputs)
        _transpose(memory.product, zero, parameters, row[WEIGHT], outputs, side * side * inputs)
        _clear(memory.sums, len(memory.sums))
        for start in range(0, sizes.images, sizes.together):
            some = min(sizes.together, sizes.images - start)
            here, begin = y + start * pixels * outputs, start * size if r == 0 else 0
            if r > 0:
                at = row[X] + start * pixels * inputs
                rectify(frame, border, layers, at, memory.norms, row[NORM], some, height, width, inputs, lanes)
            multiply_windows(
                layers, here, frame, begin, memory.places, some * pixels, side, line, side * inputs, memory.product,
                outputs, lanes,
            )  # fmt: skip
            if row[STATE] >= 0:
                before = row[BEFORE] if row[BEFORE] < 0 else row[BEFORE] + start * pixels * outputs
                bias = row[WEIGHT] + side * side * inputs * outputs
                mean = (row[STATE] * sizes.images + start) * outputs
                finish_state(layers, here, before, parameters, bias, means, mean, some, pixels, outputs, lanes)
            if training:
                add_moments(memory.sums, layers, y, here, some * pixels, outputs, lanes)


@compiled
def _norm_backward(row: Array, count: int, of_parameters: Array, memory: Memory) -> None:
    """The gradients of a layer's BatchNorm, of the sums that `mask_gradient` has made, and `factors`."""
    norms, sums, factors, channels = memory.norms, memory.sums, memory.factors, row[INPUTS]
    total, third = len(norms) // 4, len(factors) // 3
    for c in range(channels):
        at = row[NORM] + c
        scale, inverse, level = norms[at], norms[2 * total + at], norms[3 * total + at]
        of_shift, of_scale = sums[c], sums[len(sums) // 2 + c]
        of_parameters[row[SCALE] + c], of_parameters[row[SCALE] + channels + c] = of_scale, of_shift
        factors[c] = scale
        factors[third + c] = -scale * inverse * of_scale / count
        factors[2 * third + c] = -scale * (of_shift + level * of_scale) / count


@compiled
def backward(
    table: Array, sizes: Sizes, images: Array, parameters: Array, of_means: Array, of_parameters: Array,
    memory: Memory, lanes: Lanes,
) -> None:  # fmt: skip
    """Write the gradients of the parameters, after `forward` in training; those that are 0 have to be there.

    Such are the biases in front of a BatchNorm, which takes them away.
    """
    height, width, pixels, layers = sizes.height, sizes.width, sizes.height * sizes.width, memory.layers
    flows, gradient, zero = memory.flows, memory.gradient, INTEGER(0)
    for r in range(len(table) - 1, -1, -1):
        row = table[r]
        inputs, outputs, side, is_state = row[INPUTS], row[OUTPUTS], row[SIDE], row[STATE] >= 0
        weight, weights = row[WEIGHT], side * side * inputs * outputs
        flow, after = r % 2 * (len(flows) // 2), (r + 1) % 2 * (len(flows) // 2)
        border, line, size = _frame(side, height, width, inputs)
        _, g_line, g_size = _frame(side, height, width, outputs)
        stride, frame, other = 1, memory.frame, memory.other
        if r == 0:
            stride, frame, line, size = 2, images, sizes.image_width * inputs, images.size // sizes.images
        else:
            _clear(frame, sizes.together * size)
            _turn(memory.product, parameters, weight, side * side, outputs, inputs)
        if is_state:
            other = gradient
            _clear(memory.sums, len(memory.sums))
            add_state_gradient(
                gradient, of_means, row[STATE] * sizes.images * outputs, r < len(table) - 1, flows, after, layers,
                row[Y], memory.factors, memory.sums, sizes.images, pixels, outputs, lanes,
            )  # fmt: skip
            for c in range(outputs):
                of_parameters[weight + weights + c] = memory.sums[c]
        else:
            _clear(other, sizes.together * g_size)
        _clear(memory.of_product, weights)
        _clear(memory.sums, len(memory.sums))
        place_windows(memory.places, height, width, size, stride * line, stride * inputs)
        place_windows(memory.g_places, height, width, g_size, g_line, outputs)
        for start in range(0, sizes.images, sizes.together):
            some = min(sizes.together, sizes.images - start)
            begin, at = start * size if r == 0 else 0, row[X] + start * pixels * inputs
            g_begin, y = start * pixels * outputs if is_state else 0, start * pixels * outputs
            if r > 0:
                rectify(frame, border, layers, at, memory.norms, row[NORM], some, height, width, inputs, lanes)
            if not is_state:
                norm_gradient(
                    other, border, flows, after + y, layers, row[Y] + y, memory.factors, some, height, width, outputs,
                    lanes,
                )  # fmt: skip
            add_outer_products(
                memory.of_product, frame, begin, memory.places, other, g_begin + border * (g_line + outputs),
                memory.g_places, some * pixels, side, line, side * inputs, outputs, lanes,
            )  # fmt: skip
            if r > 0:
                multiply_windows(
                    memory.found, zero, other, g_begin, memory.g_places, some * pixels, side, g_line, side * outputs,
                    memory.product, inputs, lanes,
                )  # fmt: skip
                mask_gradient(
                    flows, flow + start * pixels * inputs, memory.found, layers, at, memory.norms, row[NORM],
                    memory.sums, some * pixels, inputs, lanes,
                )  # fmt: skip
        _transpose(of_parameters, weight, memory.of_product, zero, side * side * inputs, outputs)
        if r > 0:
            _norm_backward(row, sizes.images * pixels, of_parameters, memory)
