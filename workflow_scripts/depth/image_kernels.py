"""Loops over the pixels of a few images, channels last; `image_loops.py` puts them together.

Images are one line of numbers: image after image, row after row, pixel after pixel, channel after channel. Vectors run
over channels, so their number of lanes changes no byte. A convolution is a product of windows with weights: of a
window, each row is consecutive numbers. A frame is images within a border of zeros, so that windows may reach out.
"""

from typing import Any

from numpy.typing import NDArray

from workflow_scripts.runtime.compilation import compiled, inlined
from workflow_scripts.runtime.vectors import (
    add,
    add_outer,
    add_products,
    add_to_doubles,
    load,
    load_many,
    multiply,
    multiply_add,
    spread,
    store,
    store_many,
    subtract,
    where_positive,
    zeros,
)

Array = NDArray[Any]
Lanes = tuple[int, ...]

MANY, TWO, ONE = (0,) * 8, (0,) * 2, (0,)  # numbers of sums that a loop keeps in registers


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
    sums = zeros(x, many, lanes)
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
    whole = pixels - pixels % len(MANY)
    for c in range(0, channels, len(lanes)):
        for p in range(0, whole, len(MANY)):
            sums = _products(x, at, places, p, rows, line, reach, weights, c, channels, MANY, lanes)
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
    whole = reach - reach % len(MANY)
    for c in range(0, channels, len(lanes)):
        for r in range(rows):
            here, to = at + r * line, r * reach * channels + c
            for k in range(0, whole, len(MANY)):
                _outer(
                    sums, to + k * channels, x, here + k, places, gradient, g_at + c, g_places, pixels, channels,
                    MANY, lanes,
                )  # fmt: skip
            for k in range(whole, reach, len(TWO)):
                _outer(
                    sums, to + k * channels, x, here + k, places, gradient, g_at + c, g_places, pixels, channels,
                    TWO, lanes,
                )  # fmt: skip


@compiled
def rectify(
    frame: Array, border: int, x: Array, at: int, affine: tuple[Array, Array], images: int, height: int, width: int,
    channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """frame = ReLU(scale * x + shift)"""
    line = (width + 2 * border) * channels
    for c in range(0, channels, len(lanes)):
        scale, shift = load(affine[0], c, lanes), load(affine[1], c, lanes)
        for row in range(images * height):
            source = at + row * width * channels + c
            target = (row + (2 * (row // height) + 1) * border) * line + border * channels + c
            for j in range(0, width * channels, channels):
                value = multiply_add(load(x, source + j, lanes), scale, shift)
                store(frame, target + j, where_positive(value, value))


@compiled
def norm_gradient(
    frame: Array, border: int, flow: Array, x: Array, at: int, factors: tuple[Array, Array, Array], images: int,
    height: int, width: int, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """frame = factors[0] * flow + factors[1] * x + factors[2], the gradient of a BatchNorm's input x."""
    line = (width + 2 * border) * channels
    for c in range(0, channels, len(lanes)):
        slope, tilt, level = load(factors[0], c, lanes), load(factors[1], c, lanes), load(factors[2], c, lanes)
        for row in range(images * height):
            source = at + row * width * channels + c
            target = (row + (2 * (row // height) + 1) * border) * line + border * channels + c
            for j in range(0, width * channels, channels):
                value = multiply_add(load(x, source + j, lanes), tilt, level)
                store(frame, target + j, multiply_add(load(flow, source + j, lanes), slope, value))


@inlined
def _masked(
    flow: Array, at: int, found: Array, from_: int, x: Array, affine: Any, normal: Any, a: Any, b: Any, lanes: Lanes
) -> Any:
    value = load(x, at, lanes)
    sent = where_positive(multiply_add(value, affine[0], affine[1]), load(found, from_, lanes))
    store(flow, at, sent)
    return add(a, sent), multiply_add(sent, multiply_add(value, normal[0], normal[1]), b)


@compiled
def mask_gradient(
    flow: Array, at: int, found: Array, x: Array, affine: tuple[Array, Array], normal: tuple[Array, Array],
    sums: tuple[Array, Array], pixels: int, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """flow = `found` where the ReLU of scale * x + shift passes; sums (in double precision) += flow, flow * normal x.

    They are the gradients of a BatchNorm's shift and scale.
    """
    for c in range(0, channels, len(lanes)):
        pair = load(affine[0], c, lanes), load(affine[1], c, lanes)
        plain = load(normal[0], c, lanes), load(normal[1], c, lanes)
        a = b = a2 = b2 = spread(x.dtype.type(0), lanes)
        even = pixels - pixels % 2
        for here in range(c, even * channels, 2 * channels):  # two chains of sums, since each waits for itself
            a, b = _masked(flow, at + here, found, here, x, pair, plain, a, b, lanes)
            next_ = here + channels
            a2, b2 = _masked(flow, at + next_, found, next_, x, pair, plain, a2, b2, lanes)
        for here in range(even * channels + c, pixels * channels, channels):
            a, b = _masked(flow, at + here, found, here, x, pair, plain, a, b, lanes)
        add_to_doubles(sums[0], c, add(a, a2))
        add_to_doubles(sums[1], c, add(b, b2))


@compiled
def add_moments(sums: tuple[Array, Array], y: Array, at: int, pixels: int, channels: int, lanes: Lanes) -> None:
    """sums (in double precision) += y - near, (y - near)^2, where `near` is the first pixel of the first image."""
    for c in range(0, channels, len(lanes)):
        near = load(y, c, lanes)
        a = b = a2 = b2 = spread(y.dtype.type(0), lanes)
        even = pixels - pixels % 2
        for here in range(at + c, at + even * channels, 2 * channels):
            value, other = subtract(load(y, here, lanes), near), subtract(load(y, here + channels, lanes), near)
            a, b = add(a, value), multiply_add(value, value, b)
            a2, b2 = add(a2, other), multiply_add(other, other, b2)
        for here in range(at + even * channels + c, at + pixels * channels, channels):
            value = subtract(load(y, here, lanes), near)
            a, b = add(a, value), multiply_add(value, value, b)
        add_to_doubles(sums[0], c, add(a, a2))
        add_to_doubles(sums[1], c, add(b, b2))


@compiled
def finish_state(
    means: Array, mean: int, y: Array, at: int, before: Array | None, bias: Array, images: int, pixels: int,
    channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """y += bias + before; means (images, channels), from `mean` on, become those of each image."""
    share = spread(y.dtype.type(1) / y.dtype.type(pixels), lanes)
    for c in range(0, channels, len(lanes)):
        more = load(bias, c, lanes)
        for image in range(images):
            start = at + image * pixels * channels + c
            total = other = spread(y.dtype.type(0), lanes)
            for here in range(start, start + pixels * channels, channels):
                value = add(load(y, here, lanes), more)
                if before is not None:
                    value = add(value, load(before, here, lanes))
                store(y, here, value)
                total, other = other, add(total, value)  # two chains in turn
            store(means, mean + image * channels + c, multiply(add(total, other), share))


@compiled
def add_state_gradient(
    gradient: Array, means: Array, flow: Array | None, x: Array, factors: tuple[Array, Array, Array], sums: Array,
    images: int, pixels: int, channels: int, lanes: Lanes,
) -> None:  # fmt: skip
    """gradient += what the block after a state sends, and what its means (images, channels) send; sums += gradient.

    Without a block, gradient = what its means send. `flow`, `x` and `factors` are those of the block's BatchNorm.
    """
    share = spread(gradient.dtype.type(1) / gradient.dtype.type(pixels), lanes)
    for c in range(0, channels, len(lanes)):
        slope, tilt, level = load(factors[0], c, lanes), load(factors[1], c, lanes), load(factors[2], c, lanes)
        total = other = spread(gradient.dtype.type(0), lanes)
        for image in range(images):
            start = image * pixels * channels + c
            of_mean = multiply(load(means, image * channels + c, lanes), share)
            constant = add(level, of_mean)
            for here in range(start, start + pixels * channels, channels):
                if flow is None:
                    value = of_mean
                else:
                    value = multiply_add(load(x, here, lanes), tilt, constant)
                    value = multiply_add(load(flow, here, lanes), slope, value)
                    value = add(load(gradient, here, lanes), value)
                store(gradient, here, value)
                total, other = other, add(total, value)
        add_to_doubles(sums, c, add(total, other))
