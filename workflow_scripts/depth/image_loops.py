"""A pass through an image depth network, forward and backward, as one compiled program each; `image_pass.py` calls them.

What is between two convolutions is never stored: BatchNorm is a scale and a shift of what the earlier one made, which
the later one applies, with ReLU, where it reads; and so do the backward passes. All loops go over a few images at a
time, so that these stay in the cache. The first convolution and the pooling after it are one convolution of stride 2.
Both passes are those of batch statistics; the forward pass knows running ones, too.
"""

from typing import NamedTuple

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

KERNEL = 5  # side of the first convolution's windows
POOLED = KERNEL + 1  # and with the pooling of 2 x 2


class Sizes(NamedTuple):
    """Of a network and its images; `together` images are passed through a layer at a time."""

    images: int
    image_height: int
    image_width: int
    colours: int
    height: int
    width: int
    outer: int
    inner: int
    blocks: int
    together: int


class Kept(NamedTuple):
    """What a forward pass keeps for its backward pass; without one, the first axis of states and layers is short."""

    states: Array
    """(blocks + 1, n h w outer)"""
    first: Array
    """(blocks, n h w inner): what the first convolution of each block made, without its bias"""
    second: Array
    """the same of the second"""
    norms: Array
    """(4, blocks * (outer + 2 inner)): scale and shift of each BatchNorm, and what they are without its parameters"""


class Scratch(NamedTuple):
    """Memory of both passes."""

    frame: Array
    """a few images, as a layer reads them"""
    other: Array
    """their gradients"""
    found: Array
    """what a backward layer makes of these"""
    places: Array
    """(2, pixels): where the windows begin, of each"""
    weights: Array
    """(2, numbers): of a layer, as its product reads them; their gradients"""
    sums: Array
    """(2, outer), in double precision"""
    factors: Array
    """(3, outer): of a BatchNorm's gradient"""


@inlined
def _block(row: Array, outer: int, inner: int) -> tuple[Array, ...]:
    """A block's parameters in a row of numbers: of its three BatchNorms scale and shift, each with what follows them.

    That is the weight of a convolution (outputs, rows, columns, inputs), and its bias.
    """
    a = 2 * outer + inner * outer + inner
    b = a + 2 * inner + 9 * inner * inner + inner
    return (
        row[:outer], row[outer : 2 * outer], row[2 * outer : a - inner], row[a - inner : a],
        row[a : a + inner], row[a + inner : a + 2 * inner], row[a + 2 * inner : b - inner], row[b - inner : b],
        row[b : b + inner], row[b + inner : b + 2 * inner], row[b + 2 * inner : len(row) - outer],
        row[len(row) - outer :],
    )  # fmt: skip


@inlined
def _side(weight: Array, inputs: int, outputs: int) -> tuple[int, int]:
    """The side of a convolution's windows, and 0; neither known when compiling, since each number would compile anew."""
    return np.int64(1 if len(weight) == inputs * outputs else 3), np.int64(0)


@compiled
def _as_product(product: Array, weight: Array, outputs: int) -> None:
    """A weight (outputs, inputs of a window) as a product reads it, the other way round."""
    inputs = len(weight) // outputs
    for o in range(outputs):
        for k in range(inputs):
            product[k * outputs + o] = weight[o * inputs + k]


@compiled
def _of_product(weight: Array, product: Array, outputs: int) -> None:
    """The inverse of `_as_product`."""
    inputs = len(weight) // outputs
    for o in range(outputs):
        for k in range(inputs):
            weight[o * inputs + k] = product[k * outputs + o]


@compiled
def _turned(product: Array, weight: Array, side: int, outputs: int, inputs: int) -> None:
    """A weight as the product reads it that makes the gradient of a convolution's input of that of its output."""
    taps = side * side
    for o in range(outputs):
        for tap in range(taps):
            to, source = ((taps - 1 - tap) * outputs + o) * inputs, (o * taps + tap) * inputs
            for k in range(inputs):
                product[to + k] = weight[source + k]


@compiled
def _pooled(product: Array, weight: Array, outputs: int, colours: int) -> None:
    """The first convolution's weight and its pooling, as a product reads them."""
    product[: POOLED * POOLED * colours * outputs] = 0
    quarter, at = weight.dtype.type(0.25), 0
    for o in range(outputs):
        for r in range(KERNEL):
            for s in range(KERNEL):
                for k in range(colours):
                    for q in range(4):
                        tap = (r + q // 2) * POOLED + s + q % 2
                        product[(tap * colours + k) * outputs + o] += quarter * weight[at]
                    at += 1


@compiled
def _of_pooled(weight: Array, product: Array, outputs: int, colours: int) -> None:
    """The gradient of that weight, of the gradient of that product's."""
    quarter, at = weight.dtype.type(0.25), 0
    for o in range(outputs):
        for r in range(KERNEL):
            for s in range(KERNEL):
                for k in range(colours):
                    total = weight.dtype.type(0)
                    for q in range(4):
                        tap = (r + q // 2) * POOLED + s + q % 2
                        total += product[(tap * colours + k) * outputs + o]
                    weight[at] = quarter * total
                    at += 1


@compiled
def _normalise(
    norms: Array, first: int, scale: Array, shift: Array, bias: Array | None, y: Array, count: int, epsilon: float,
    batch: Array, running: Array | None, scratch: Scratch,
) -> None:  # fmt: skip
    """Set the four numbers of each channel of a BatchNorm of y plus bias, which `norms` has from `first` on.

    `batch` becomes mean and unbiased variance of its input, of which scratch.sums holds the moments; with `running`,
    mean and variance are these.
    """
    for c in range(len(scale)):
        at = first + c
        more = 0.0 if bias is None else np.float64(bias[c])
        if running is None:
            beside = scratch.sums[0, c] / count
            mean, variance = y[c] + beside, scratch.sums[1, c] / count - beside * beside
            batch[0, at], batch[1, at] = mean + more, variance * count / (count - 1)
        else:
            mean, variance = running[0, at] - more, np.float64(running[1, at])
        inverse = 1 / np.sqrt(variance + epsilon)
        norms[0, at], norms[1, at] = scale[c] * inverse, shift[c] - mean * scale[c] * inverse
        norms[2, at], norms[3, at] = inverse, -mean * inverse


@compiled
def _convolve(
    y: Array, x: Array, norms: Array, first: int, weight: Array, inputs: int, outputs: int,
    state: tuple[Array, Array, Array] | None, sizes: Sizes, scratch: Scratch, lanes: Lanes,
) -> None:  # fmt: skip
    """y = convolution of ReLU(BatchNorm x), its moments in scratch.sums.

    `state` is (means, block's input, bias) where y becomes the block's output.
    """
    side, origin = _side(weight, inputs, outputs)
    height, width, pixels, border = sizes.height, sizes.width, sizes.height * sizes.width, side // 2
    line = (width + 2 * border) * inputs
    places, product = scratch.places[0], scratch.weights[0]
    place_windows(places, height, width, (height + 2 * border) * line, line, inputs)
    _as_product(product, weight, outputs)
    scratch.frame[: sizes.together * (height + 2 * border) * line] = 0
    scratch.sums[:] = 0
    affine = norms[0, first : first + inputs], norms[1, first : first + inputs]
    sums = scratch.sums[0], scratch.sums[1]
    for start in range(0, sizes.images, sizes.together):
        images, at = min(sizes.together, sizes.images - start), start * pixels * outputs
        rectify(scratch.frame, border, x, start * pixels * inputs, affine, images, height, width, inputs, lanes)
        multiply_windows(
            y, at, scratch.frame, origin, places, images * pixels, side, line, side * inputs, product, outputs, lanes
        )
        if state is not None:
            means, before, bias = state
            finish_state(means, start * outputs, y, at, before, bias, images, pixels, outputs, lanes)
        add_moments(sums, y, at, images * pixels, outputs, lanes)


@compiled
def _convolve_images(
    y: Array, x: Array, weight: Array, bias: Array, means: Array, sizes: Sizes, scratch: Scratch, lanes: Lanes
) -> None:
    """y = the input layer's output, its moments in scratch.sums, its means in `means`."""
    pixels, outputs, colours = sizes.height * sizes.width, sizes.outer, sizes.colours
    line, places, product = sizes.image_width * colours, scratch.places[0], scratch.weights[0]
    size, side = sizes.image_height * line, np.int64(POOLED)
    place_windows(places, sizes.height, sizes.width, size, 2 * line, 2 * colours)
    _pooled(product, weight, outputs, colours)
    scratch.sums[:] = 0
    for start in range(0, sizes.images, sizes.together):
        images, at = min(sizes.together, sizes.images - start), start * pixels * outputs
        multiply_windows(
            y, at, x, start * size, places, images * pixels, side, line, side * colours, product, outputs, lanes
        )
        finish_state(means, start * outputs, y, at, None, bias, images, pixels, outputs, lanes)
        add_moments((scratch.sums[0], scratch.sums[1]), y, at, images * pixels, outputs, lanes)


@compiled
def forward(
    sizes: Sizes, x: Array, weight: Array, bias: Array, blocks: Array, epsilon: float, running: Array | None,
    kept: Kept, means: Array, batch: Array, scratch: Scratch, lanes: Lanes,
) -> None:  # fmt: skip
    """The means (blocks + 1, n outer) of the states of images x, of an input layer with weight and bias, and of blocks.

    `blocks` has a row for each block; `batch` (2, blocks * (outer + 2 inner)) becomes mean and unbiased variance of
    what each BatchNorm saw; with `running`, of the same shape, these are its statistics instead.
    """
    outer, inner, count = sizes.outer, sizes.inner, sizes.images * sizes.height * sizes.width
    _convolve_images(kept.states[0], x, weight, bias, means[0], sizes, scratch, lanes)
    for d in range(sizes.blocks):
        scale1, shift1, weight1, bias1, scale2, shift2, weight2, bias2, scale3, shift3, weight3, bias3 = _block(
            blocks[d], outer, inner
        )
        at1 = d * (outer + 2 * inner)
        at2, at3 = at1 + outer, at1 + outer + inner
        before, after = kept.states[d % len(kept.states)], kept.states[(d + 1) % len(kept.states)]
        first, second = kept.first[d % len(kept.first)], kept.second[d % len(kept.second)]
        norms = kept.norms
        _normalise(norms, at1, scale1, shift1, None, before, count, epsilon, batch, running, scratch)
        _convolve(first, before, norms, at1, weight1, outer, inner, None, sizes, scratch, lanes)
        _normalise(norms, at2, scale2, shift2, bias1, first, count, epsilon, batch, running, scratch)
        _convolve(second, first, norms, at2, weight2, inner, inner, None, sizes, scratch, lanes)
        _normalise(norms, at3, scale3, shift3, bias2, second, count, epsilon, batch, running, scratch)
        state = means[d + 1], before, bias3
        _convolve(after, second, norms, at3, weight3, inner, outer, state, sizes, scratch, lanes)


@compiled
def _convolve_backward(
    of_weight: Array, flow: Array, x: Array, norms: Array, first: int, weight: Array, inputs: int,
    outputs: int, gradient: Array, y: Array | None, sizes: Sizes, scratch: Scratch, lanes: Lanes,
) -> None:  # fmt: skip
    """The gradients of a `_convolve`: of its weight, and of BatchNorm's output, `flow`.

    `gradient` is that of y, or, where y is given, that of the output of the BatchNorm after it; scratch.factors are
    those of that. What `flow` sums up to is in scratch.sums. `flow` may be `gradient`.
    """
    side, origin = _side(weight, inputs, outputs)
    height, width, pixels, border = sizes.height, sizes.width, sizes.height * sizes.width, side // 2
    line, g_line = (width + 2 * border) * inputs, (width + 2 * border) * outputs
    places, g_places = scratch.places[0], scratch.places[1]
    place_windows(places, height, width, (height + 2 * border) * line, line, inputs)
    place_windows(g_places, height, width, (height + 2 * border) * g_line, g_line, outputs)
    product, of_product = scratch.weights[0], scratch.weights[1]
    _turned(product, weight, side, outputs, inputs)
    of_product[: len(weight)] = 0
    scratch.frame[: sizes.together * (height + 2 * border) * line] = 0
    scratch.other[: sizes.together * (height + 2 * border) * g_line] = 0
    scratch.sums[:] = 0
    affine = norms[0, first : first + inputs], norms[1, first : first + inputs]
    normal = norms[2, first : first + inputs], norms[3, first : first + inputs]
    factors = scratch.factors[0], scratch.factors[1], scratch.factors[2]
    sums = scratch.sums[0], scratch.sums[1]
    for start in range(0, sizes.images, sizes.together):
        images, at = min(sizes.together, sizes.images - start), start * pixels * inputs
        some, g_at = images * pixels, start * pixels * outputs
        rectify(scratch.frame, border, x, at, affine, images, height, width, inputs, lanes)
        if y is None:
            other = gradient
        else:
            other = scratch.other
            norm_gradient(
                other, border, gradient, y, g_at, factors, images, height, width, outputs, lanes
            )
            g_at = origin
        middle = g_at + border * (g_line + outputs)
        add_outer_products(
            of_product, scratch.frame, origin, places, other, middle, g_places, some, side, line, side * inputs,
            outputs, lanes,
        )  # fmt: skip
        multiply_windows(
            scratch.found, origin, other, g_at, g_places, some, side, g_line, side * outputs, product, inputs, lanes
        )
        mask_gradient(flow, at, scratch.found, x, affine, normal, sums, some, inputs, lanes)
    _of_product(of_weight, of_product, outputs)


@compiled
def _norm_backward(
    of_scale: Array, of_shift: Array, norms: Array, first: int, count: int, scratch: Scratch
) -> None:
    """The gradients of a BatchNorm's scale and shift, and scratch.factors, by scratch.sums."""
    for c in range(len(of_scale)):
        scale, inverse, level = norms[0, first + c], norms[2, first + c], norms[3, first + c]
        of_shift[c], of_scale[c] = scratch.sums[0, c], scratch.sums[1, c]
        mean, slope = scratch.sums[0, c] / count, scratch.sums[1, c] / count
        scratch.factors[0, c] = scale
        scratch.factors[1, c] = -scale * inverse * slope
        scratch.factors[2, c] = -scale * (mean + level * slope)


@compiled
def _state_backward(
    gradient: Array, of_bias: Array, means: Array, flow: Array | None, x: Array, sizes: Sizes, scratch: Scratch,
    lanes: Lanes,
) -> None:  # fmt: skip
    """Complete the gradient of a state, and that of the bias which was added to it."""
    scratch.sums[:] = 0
    factors = scratch.factors[0], scratch.factors[1], scratch.factors[2]
    add_state_gradient(
        gradient, means, flow, x, factors, scratch.sums[0], sizes.images, sizes.height * sizes.width, sizes.outer, lanes
    )
    of_bias[:] = scratch.sums[0, : len(of_bias)]


@compiled
def _images_backward(
    of_weight: Array, x: Array, gradient: Array, sizes: Sizes, scratch: Scratch, lanes: Lanes
) -> None:
    """The gradient of the input layer's weight by that of its output."""
    pixels, outputs, colours = sizes.height * sizes.width, sizes.outer, sizes.colours
    line, places, g_places, product = sizes.image_width * colours, scratch.places[0], scratch.places[1], scratch.weights[0]
    size, side = sizes.image_height * line, np.int64(POOLED)
    place_windows(places, sizes.height, sizes.width, size, 2 * line, 2 * colours)
    place_windows(g_places, sizes.height, sizes.width, pixels * outputs, sizes.width * outputs, outputs)
    product[: side * side * colours * outputs] = 0
    for start in range(0, sizes.images, sizes.together):
        some = min(sizes.together, sizes.images - start) * pixels
        add_outer_products(
            product, x, start * size, places, gradient, start * pixels * outputs, g_places, some, side, line,
            side * colours, outputs, lanes,
        )  # fmt: skip
    _of_pooled(of_weight, product, outputs, colours)


@compiled
def backward(
    sizes: Sizes, x: Array, blocks: Array, of_means: Array, kept: Kept, of_weight: Array, of_bias: Array,
    of_blocks: Array, flow: Array, of_state: Array, gradient: Array, scratch: Scratch, lanes: Lanes,
) -> None:  # fmt: skip
    """The gradients of weight, bias and blocks (of_...) after `forward` without running statistics.

    `flow` (n h w inner), `of_state` and `gradient` (n h w outer) are memory. Biases in front of a BatchNorm change nothing; their gradient is 0.
    """
    outer, inner, depth = sizes.outer, sizes.inner, sizes.blocks
    count, norms = sizes.images * sizes.height * sizes.width, kept.norms
    last = of_bias if depth == 0 else of_blocks[depth - 1, -outer:]
    _state_backward(gradient, last, of_means[depth], None, kept.states[depth], sizes, scratch, lanes)
    for d in range(depth - 1, -1, -1):
        _, _, weight1, _, _, _, weight2, _, _, _, weight3, _ = _block(blocks[d], outer, inner)
        of_scale1, of_shift1, of_weight1, of_bias1, of_scale2, of_shift2, of_weight2, of_bias2, of_scale3, \
            of_shift3, of_weight3, _ = _block(of_blocks[d], outer, inner)
        of_bias1[:] = 0
        of_bias2[:] = 0
        at1 = d * (outer + 2 * inner)
        at2, at3 = at1 + outer, at1 + outer + inner
        state, first, second = kept.states[d], kept.first[d], kept.second[d]
        _convolve_backward(
            of_weight3, flow, second, norms, at3, weight3, inner, outer, gradient, None, sizes, scratch, lanes
        )
        _norm_backward(of_scale3, of_shift3, norms, at3, count, scratch)
        _convolve_backward(
            of_weight2, flow, first, norms, at2, weight2, inner, inner, flow, second, sizes, scratch, lanes
        )
        _norm_backward(of_scale2, of_shift2, norms, at2, count, scratch)
        _convolve_backward(
            of_weight1, of_state, state, norms, at1, weight1, outer, inner, flow, first, sizes, scratch, lanes
        )
        _norm_backward(of_scale1, of_shift1, norms, at1, count, scratch)
        of_earlier = of_bias if d == 0 else of_blocks[d - 1, -outer:]
        _state_backward(gradient, of_earlier, of_means[d], of_state, state, sizes, scratch, lanes)
    _images_backward(of_weight, x, gradient, sizes, scratch, lanes)
