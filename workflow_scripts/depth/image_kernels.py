"""Loops over the pixels of a few images, channels last; `image_loops.py` puts them together.

Images are one line of numbers: image after image, row after row, pixel after pixel, channel after channel. Vectors run
over channels, so their number of lanes changes no byte. A convolution is a product of windows with weights: of a
window, each row is consecutive numbers. A frame is images within a border of zeros, so that windows may reach out.
"""

from typing import Any

from numpy.typing import NDArray

from workflow_scripts.runtime.compilation import compiled, inlined
from workflow_scripts.runtime.vectors import (
    EIGHT,
    FOUR,
    ONE,
    TWO,
    add,
    add_outer,
    add_products,
    add_to_doubles,
    load,
    load_many,
    multiply,
    multiply_add,
    repeat,
    spread,
    store,
    store_many,
    subtract,
    where_positive,
)

Array = NDArray[Any]
Lanes = tuple[int, ...]


@compiled
def place_windows(places: Array, height: int, width: int, image: int, row: int, column: int) -> None:
    """Where the window of each pixel begins; steps from one image, row and column to the next are given."""
    for p in range(len(places)):
        i, j = (p // width) % height, p % width
        places[p] = p // (height * width) * image + i * row + j * column


@inlined
def _products(
    x: Array, at: int, places: Array, p: int, rows: int, line: int, reach: int, weights: Array, c: int, channels: int,
    many: Lanes, lanes: Lanes,
) -> Any:  # fmt: skip
    sums = repeat(spread(x.dtype.type(0), lanes), many)
    for r in range(rows):
        for k in range(reach):
            weight = load(weights, (r * reach + k) * channels + c, lanes)
            sums = add_products(sums, x, places, p, at + r * line + k, weight)
    return sums


@compiled
def multiply_windows(
    out: Array, to: int, x: Array, at: int, places: Array, pixels: int, rows: int, line: int, reach: int,
    weights: Array, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """out (pixels, channels) = windows of x (pixels, rows * reach) @ weights (rows * reach, channels)

    A window is `rows` lines, `line` numbers from one to the next, of which it has `reach` consecutive numbers.
    """
    whole = pixels - pixels % len(EIGHT)
    for c in range(0, channels, len(lanes)):
        for p in range(0, whole, len(EIGHT)):
            sums = _products(x, at, places, p, rows, line, reach, weights, c, channels, EIGHT, lanes)
            store_many(out, to + p * channels + c, channels, sums)
        for p in range(whole, pixels):
            last = _products(x, at, places, p, rows, line, reach, weights, c, channels, ONE, lanes)
            store_many(out, to + p * channels + c, channels, last)


@inlined
def _outer(
    sums: Array, to: int, x: Array, at: int, places: Array, gradient: Array, g_at: int, g_places: Array, pixels: int,
    channels: int, many: Lanes, lanes: Lanes,
) -> None:  # fmt: skip
    total = load_many(sums, to, channels, many, lanes)
    for p in range(pixels):
        total = add_outer(total, x, at + places[p], 1, load(gradient, g_at + g_places[p], lanes))
    store_many(sums, to, channels, total)


@compiled
def add_outer_products(
    sums: Array, x: Array, at: int, places: Array, gradient: Array, g_at: int, g_places: Array, pixels: int,
    rows: int, line: int, reach: int, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """sums (rows * reach, channels) += windows of x (pixels, rows * reach).T @ gradient (pixels, channels)

    The gradient of a product's weights. `reach` is even.
    """
    whole = reach - reach % len(EIGHT)
    for c in range(0, channels, len(lanes)):
        for r in range(rows):
            here, to = at + r * line, r * reach * channels + c
            for k in range(0, whole, len(EIGHT)):
                _outer(
                    sums, to + k * channels, x, here + k, places, gradient, g_at + c, g_places, pixels, channels,
                    EIGHT, lanes,
                )  # fmt: skip
            for k in range(whole, reach, len(TWO)):
                _outer(
                    sums, to + k * channels, x, here + k, places, gradient, g_at + c, g_places, pixels, channels,
                    TWO, lanes,
                )  # fmt: skip


@compiled
def rectify(
    frame: Array, border: int, x: Array, at: int, norms: Array, norm: int, images: int, height: int, width: int,
    channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """frame = ReLU(scale * x + shift), by the rows 0 and 1 of `norms`, from `norm` on in each."""
    line, shifts = (width + 2 * border) * channels, len(norms) // 4 + norm
    for c in range(0, channels, len(lanes)):
        scale, shift = load(norms, norm + c, lanes), load(norms, shifts + c, lanes)
        for row in range(images * height):
            source = at + row * width * channels + c
            target = (row + (2 * (row // height) + 1) * border) * line + border * channels + c
            for j in range(0, width * channels, channels):
                value = multiply_add(load(x, source + j, lanes), scale, shift)
                store(frame, target + j, where_positive(value, value))


@compiled
def norm_gradient(
    frame: Array, border: int, flow: Array, at: int, x: Array, from_: int, factors: Array, images: int, height: int,
    width: int, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """frame = factors[0] * flow + factors[1] * x + factors[2], what a BatchNorm's backward makes of `flow`."""
    line, third = (width + 2 * border) * channels, len(factors) // 3
    for c in range(0, channels, len(lanes)):
        slope, tilt = load(factors, c, lanes), load(factors, third + c, lanes)
        level = load(factors, 2 * third + c, lanes)
        for row in range(images * height):
            source = row * width * channels + c
            target = (row + (2 * (row // height) + 1) * border) * line + border * channels + c
            for j in range(source, source + width * channels, channels):
                value = multiply_add(load(x, from_ + j, lanes), tilt, level)
                value = multiply_add(load(flow, at + j, lanes), slope, value)
                store(frame, target + j - source, value)


@inlined
def _masked(
    flow: Array, at: int, found: Array, x: Array, from_: int, here: int, norm: Any, sums: Any, lanes: Lanes
) -> Any:
    value = load(x, from_ + here, lanes)
    sent = where_positive(multiply_add(value, norm[0], norm[1]), load(found, here, lanes))
    store(flow, at + here, sent)
    return add(sums[0], sent), multiply_add(sent, multiply_add(value, norm[2], norm[3]), sums[1])


@compiled
def mask_gradient(
    flow: Array, at: int, found: Array, x: Array, from_: int, norms: Array, norm: int, sums: Array, pixels: int,
    channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """flow = `found` where the ReLU of scale * x + shift passes; sums += flow, flow * normal x, in double precision.

    They are the gradients of a BatchNorm's shift and scale; rows 2 and 3 of `norms` make normal x.
    """
    total, even = len(norms) // 4, pixels - pixels % 2
    for c in range(0, channels, len(lanes)):
        rows = load_many(norms, norm + c, total, FOUR, lanes)
        nothing = spread(x.dtype.type(0), lanes)
        one, other = (nothing, nothing), (nothing, nothing)  # two chains of sums, since each waits for itself
        for here in range(c, even * channels, 2 * channels):
            one = _masked(flow, at, found, x, from_, here, rows, one, lanes)
            other = _masked(flow, at, found, x, from_, here + channels, rows, other, lanes)
        for here in range(even * channels + c, pixels * channels, channels):
            one = _masked(flow, at, found, x, from_, here, rows, one, lanes)
        add_to_doubles(sums, c, add(one[0], other[0]))
        add_to_doubles(sums, len(sums) // 2 + c, add(one[1], other[1]))


@inlined
def _moments(y: Array, at: int, near: Any, sums: Any, lanes: Lanes) -> Any:
    value = subtract(load(y, at, lanes), near)
    return add(sums[0], value), multiply_add(value, value, sums[1])


@compiled
def add_moments(sums: Array, y: Array, first: int, at: int, pixels: int, channels: int, lanes: Lanes) -> None:
    """sums += y - near, (y - near)^2, in double precision, for the pixel `near` of y that begins at `first`."""
    even = at + (pixels - pixels % 2) * channels
    for c in range(0, channels, len(lanes)):
        near, nothing = load(y, first + c, lanes), spread(y.dtype.type(0), lanes)
        one, other = (nothing, nothing), (nothing, nothing)
        for here in range(at + c, even, 2 * channels):
            one = _moments(y, here, near, one, lanes)
            other = _moments(y, here + channels, near, other, lanes)
        for here in range(even + c, at + pixels * channels, channels):
            one = _moments(y, here, near, one, lanes)
        add_to_doubles(sums, c, add(one[0], other[0]))
        add_to_doubles(sums, len(sums) // 2 + c, add(one[1], other[1]))


@compiled
def finish_state(
    y: Array, at: int, before: int, biases: Array, bias: int, means: Array, mean: int, images: int, pixels: int,
    channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """y += bias, and what is `before` it in the same array, where that is not negative; and the means of each image."""
    share = spread(y.dtype.type(1) / y.dtype.type(pixels), lanes)
    for c in range(0, channels, len(lanes)):
        more = load(biases, bias + c, lanes)
        for image in range(images):
            start = at + image * pixels * channels + c
            total = other = spread(y.dtype.type(0), lanes)
            for here in range(start, start + pixels * channels, channels):
                value = add(load(y, here, lanes), more)
                if before >= 0:
                    value = add(value, load(y, here - at + before, lanes))
                store(y, here, value)
                total, other = other, add(total, value)  # two chains in turn
            store(means, mean + image * channels + c, multiply(add(total, other), share))


@compiled
def add_state_gradient(
    gradient: Array, of_means: Array, mean: int, has_block: bool, flow: Array, at: int, x: Array, from_: int,
    factors: Array, sums: Array, images: int, pixels: int, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """gradient += what the block after a state sends, and what the state's means do; sums += gradient.

    A state without a block has only its means. The block sends what `norm_gradient` is.
    """
    third, share = len(factors) // 3, spread(gradient.dtype.type(1) / gradient.dtype.type(pixels), lanes)
    for c in range(0, channels, len(lanes)):
        slope, tilt = load(factors, c, lanes), load(factors, third + c, lanes)
        level = load(factors, 2 * third + c, lanes)
        total = other = spread(gradient.dtype.type(0), lanes)
        for image in range(images):
            start, constant = image * pixels * channels + c, load(of_means, mean + image * channels + c, lanes)
            constant = multiply_add(constant, share, level) if has_block else multiply(constant, share)
            for here in range(start, start + pixels * channels, channels):
                value = constant
                if has_block:
                    value = multiply_add(load(x, from_ + here, lanes), tilt, value)
                    value = multiply_add(load(flow, at + here, lanes), slope, value)
                    value = add(load(gradient, here, lanes), value)
                store(gradient, here, value)
                total, other = other, add(total, value)
        add_to_doubles(sums, c, add(total, other))
