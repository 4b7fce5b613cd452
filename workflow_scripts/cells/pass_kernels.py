"""The loops of single operations of a cell network, and of a whole pass over a table of them, compiled.

`pass_table.py` has the rows that they read, `compiled_pass.py` what they are called with. Images lie one after the
other, each its rows, a row its pixels, a pixel its channels. A loop goes through a few images at a time, or a few rows
of one, which stay in the cache; frames are images with a border. BatchNorm's output is never stored: what reads the
numbers y of a convolution reads `scale * y + shift` instead.

With tangents, the loops compute derivatives along a direction of the factors: of images, which are stored, and on the
way back of gradients, where parameters stay fixed. Arguments: `p` is the pass, `g` its gradients, `t` its tangents or
None, which numba knows when it compiles; `windows` are for each kernel of 3, 5 and 7 zeros, as many as it has taps, and
a zero for pools of the largest number, or None for what no row has.
"""

from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.runtime import vectors as v
from workflow_scripts.runtime.compilation import compiled, inlined

Array = NDArray[Any]
POINTWISE, SEPARABLE, MAX_POOL, AVERAGE_POOL, SUM = range(5)  # kinds of rows
TERM, BETWEEN, SHARED = range(3)  # roles of states
NUMBERS_AT_ONCE = 4096
WINDOW = 9  # pixels, of a pool
# Made a part of the function that calls it before types are known. Arguments of others are not numbers written out
# there: for such a one, as for another type, numba compiles a function once more. `row.stride // row.stride` is 1.
merged: Any = numba.njit(inline="always")


class Scratch(NamedTuple):
    """Small arrays that stay in the cache."""

    frames: Array  # of inputs
    around: Array  # frames of gradients, or of the tangents of inputs
    seen: Array  # what a pointwise convolution reads; on the way back of the others the gradient of what they wrote
    spatial: Array  # what a depthwise convolution wrote, computed again on the way back
    between: Array  # gradients between the parts of an operation
    taps: Array
    weights: Array
    products: Array  # gradients of taps
    channels: Array  # a few numbers for each channel


class Pass(NamedTuple):
    """What a pass reads and writes; a channel is a place in the arrays of channels, from `State.channel` on.

    Sums are in double precision, 3 for each channel: of y and its square, or of a gradient and its product with what
    BatchNorm made; the third is for tangents.
    """

    images: int
    training: bool  # whether BatchNorm uses the statistics of the batch
    momentum: float  # with which BatchNorm's running statistics move in training; 0 where they stay
    epsilon: float  # what BatchNorms add to variances
    values: Array  # all images between operations
    norms: Array  # 4 for each channel: scale and shift of those images, and both without BatchNorm's own of them
    parameters: Array
    factors: Array  # the weights of the terms
    masks: Array  # drop-path masks, one number for each image
    running: Array  # means and variances of BatchNorms
    sums: Array
    scratch: Scratch
    lanes: Any  # a tuple as long as vectors are
    out: Array  # where images are written: `values`, or those of the tangents
    out_sums: Array  # where sums are taken: `sums`, or those of the tangents


class Gradients(NamedTuple):
    """What a backward pass writes."""

    values: Array
    out: Array  # where gradients are written: `values`, or those of the tangents
    places: Array  # of each gradient in `values`, by image
    written: Array  # whether a gradient has been written to
    factors: Array  # in double precision
    parameters: Array  # zeros at first; empty where they are not asked for


class Tangents(NamedTuple):
    """Derivatives along a direction of the factors."""

    values: Array  # of the images, with BatchNorm but without its own scale, which there is none of
    along: Array  # means over images and pixels of the product of a convolution's tangent with what BatchNorm made
    factors: Array
    sums: Array  # as `Pass.sums`, of tangents; the third is of the gradient's product with the image's tangent
    gradients: Array


@inlined
def _fill(array: Array, count: int, value: float) -> None:
    for n in range(count):
        array[n] = value


@inlined
def _transpose(out: Array, source: Array, rows: int, columns: int) -> None:
    """Write a matrix (rows, columns) as one of (columns, rows)."""
    for r in range(rows):
        for c in range(columns):
            out[c * rows + r] = source[r * columns + c]


@inlined
def _mask(p: Pass, number: int, image: int) -> Any:
    """What a drop-path mask is for an image; 1 for no mask."""
    return p.masks[number * p.images + image] if number >= 0 else p.values.dtype.type(1)


# what operations read -------------------------------------------------------------------------------------------------


@inlined
def _exchange(
    p: Pass, g: Any, t: Any, row: Any, near: Array, at: int, steps: Any, part: int, image: int, step: int, size: Any
) -> None:
    """Write what a row reads of some pixels into an array near by; or with `g` write or add a gradient from there.

    A row reads images, their positive parts or all; or their tangents, where these parts are. `size` is how many
    images, lines of an image and pixels of a line. In `near` they begin at `at`, with `steps` between images, lines and
    pixels; in a part of the row's input they begin at `image`, with a `step` between pixels.
    """
    (of_image, of_line, of_pixel), (images, height, width), lanes = steps, size, p.lanes
    x, channels, rectified, adds, moved = row.x, row.x.channels, row.kind < MAX_POOL, False, 0
    first = (x.place + part * x.height * x.width * channels) * p.images + image
    if g is not None:
        adds, moved = g.written[x.gradient] == 1, g.places[x.gradient + part] * p.images + image - first
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load_many(p.norms, 4 * x.channel + c, channels, v.TWO, lanes)
        for k in range(images):
            for i in range(height):
                here, there = at + k * of_image + i * of_line + c, first + (k * height + i) * width * step + c
                for j in range(width):
                    value = v.multiply_add(v.load(p.values, there + j * step, lanes), scale, shift)
                    found = value
                    if g is not None:
                        found = v.load(near, here + j * of_pixel, lanes)
                    elif t is not None:
                        found = v.load(t.values, there + j * step, lanes)
                    if rectified:
                        found = v.where_positive(value, found)
                    if g is None:
                        v.store(near, here + j * of_pixel, found)
                    else:
                        if adds:
                            found = v.add(v.load(g.out, there + j * step + moved, lanes), found)
                        v.store(g.out, there + j * step + moved, found)


@inlined
def _frame(row: Any) -> tuple[int, int, int]:
    """Of the frames of a row's input: the border, and the numbers of a line and of a frame."""
    padding = row.dilation * (row.kernel - 1) // 2
    line = (row.x.width + 2 * padding) * row.x.channels
    return padding, line, (row.x.height + 2 * padding) * line


@merged
def _exchange_frames(p: Pass, g: Any, t: Any, row: Any, frames: Array, image: int, images: int) -> None:
    """Write what a row reads into frames, of so many images from `image` on; or send the gradients there back."""
    x, part, channels, (padding, line, size) = row.x, row.x.parts - 1, row.x.channels, _frame(row)
    at, first = padding * (line + channels), image * x.height * x.width * channels
    steps, pixels = (size, line, channels), (images, x.height, x.width)
    _exchange(p, g, t, row, frames, at, steps, part, first, channels, pixels)


@merged
def _exchange_pixels(p: Pass, g: Any, t: Any, row: Any, first: int, rows: int) -> None:
    """Write what a pointwise convolution sees of output rows `first` on of all images; or send its gradient back.

    That is (pixels, stride * parts * inputs): a factorized reduction sees the pixels (2i, 2j) and (2i + 1, 2j + 1) side
    by side.
    """
    x, channels, stride, one = row.x, row.x.channels, row.stride, row.kernel
    lines, across = (1, rows * row.y.width) if stride == 1 else (rows, row.y.width)
    step, size = stride * x.parts * channels, (one, one, across)
    for part in range(x.parts):
        for k in range(stride):
            for i in range(lines):
                image, line = (first + i) // row.y.height, (first + i) % row.y.height
                pixel = ((image * x.height + line * stride + k) * x.width + k) * channels
                at, steps = i * across * step + (k * x.parts + part) * channels, (step, step, step)
                _exchange(p, g, t, row, p.scratch.seen, at, steps, part, pixel, stride * channels, size)


# convolutions ---------------------------------------------------------------------------------------------------------


@inlined
def _at_once(row: Any) -> tuple[int, int]:
    """How many images go through a row of windows together, and how many rows of their outputs."""
    size, rows = row.x.height * row.x.width * row.y.channels, row.y.height
    if row.kind != SEPARABLE:
        return max(1, NUMBERS_AT_ONCE // size), rows
    rows = max(1, min(rows, NUMBERS_AT_ONCE // (row.y.width * row.y.channels)))
    return max(1, NUMBERS_AT_ONCE // (2 * size)) if rows == row.y.height else 1, rows


@merged
def _convolve(
    row: Any, taps: Array, out: Array, frames: Array, some: Any, stride: int, adds: Any, windows: Any, lanes: Any
) -> None:
    """Write a depthwise convolution of frames; with `adds`, add to the gradient of the taps, for that of `out`.

    `some` are how many images, and of each the first row of the output and their number.
    """
    _slide(row, taps, out, frames, some, stride, adds, windows[0], lanes)
    _slide(row, taps, out, frames, some, stride, adds, windows[1], lanes)
    _slide(row, taps, out, frames, some, stride, adds, windows[2], lanes)


@inlined
def _slide(
    row: Any, taps: Array, out: Array, frames: Array, some: Any, stride: int, adds: Any, window: Any, lanes: Any
) -> None:
    """The same if the kernel is a window of this size."""
    if window is None:
        return
    if row.kernel * row.kernel != len(window):
        return
    (images, first, rows), (_, line, size), channels = some, _frame(row), row.y.channels
    width, steps = 1 + (row.x.width - 1) // stride, (channels, row.dilation * line, row.dilation * channels)
    pairs = (width - width % 2) * channels if stride == 1 and row.dilation == 1 else 0
    for c in range(0, channels, len(lanes)):
        kept = v.load_many(taps, c, channels, window, lanes)
        for k in range(images):
            for i in range(rows):
                at, to = k * size + (first + i) * stride * line + c, (k * rows + i) * width * channels + c
                for j in range(0, pairs, 2 * channels):
                    kept = _at_pixels(kept, out, to + j, frames, at + j, steps, adds, v.TWO, lanes)
                for j in range(pairs, width * channels, channels):
                    kept = _at_pixels(kept, out, to + j, frames, at + j * stride, steps, adds, v.ONE, lanes)
        if adds is not None:
            v.store_many(taps, c, channels, kept)


@inlined
def _at_pixels(k: Any, out: Array, to: int, frames: Array, at: int, steps: Any, adds: Any, n: Any, lanes: Any) -> Any:
    """Write n outputs side by side, or add to the taps k, which are returned."""
    channels, down, right = steps
    if adds is None:
        v.store_many(out, to, channels, v.dot_windows(k, frames, at, down, right, n))
        return k
    return v.add_windows(k, v.load_many(out, to, channels, n, lanes), frames, at, down, right)


@inlined
def _write_rows(row: Any, frames: Array, source: Array, some: Any, lanes: Any) -> None:
    """Write rows of a gradient into frames of the input: each pixel where the kernel's centre was."""
    (images, first, rows), (padding, line, size), channels = some, _frame(row), row.y.channels
    for k in range(images):
        for i in range(rows):
            to = k * size + ((first + i) * row.stride + padding) * line + padding * channels
            for j in range(row.y.width):
                for c in range(0, channels, len(lanes)):
                    number = v.load(source, ((k * rows + i) * row.y.width + j) * channels + c, lanes)
                    v.store(frames, to + j * row.stride * channels + c, number)


@inlined
def _multiply(
    out: Array, out_step: int, x: Array, step: int, weights: Array, inputs: int, outputs: int, pixels: int, lanes: Any
) -> None:
    """out (pixels, outputs) = x (pixels, inputs) times weights (inputs, outputs); steps are from pixel to pixel."""
    whole = pixels - pixels % 8
    for c in range(0, outputs, len(lanes)):
        if inputs == 8:
            columns = v.load_many(weights, c, outputs, v.EIGHT, lanes)
            for p in range(pixels):
                v.store(out, p * out_step + c, v.combine(columns, x, p * step))
            continue
        for p in range(0, whole, 8):
            eight = _products(x, p * step, step, weights, c, inputs, outputs, v.EIGHT, lanes)
            v.store_many(out, p * out_step + c, out_step, eight)
        for p in range(whole, pixels):
            last = _products(x, p * step, step, weights, c, inputs, outputs, v.ONE, lanes)
            v.store_many(out, p * out_step + c, out_step, last)


@inlined
def _products(
    x: Array, at: int, step: int, weights: Array, c: int, inputs: int, outputs: int, many: Any, lanes: Any
) -> Any:
    sums = v.repeat(v.spread(x.dtype.type(0), lanes), many)
    for k in range(inputs):
        sums = v.add_outer(sums, x, at + k, step, v.load(weights, k * outputs + c, lanes))
    return sums


@inlined
def _add_products(
    sums: Array, grad: Array, step: int, x: Array, x_step: int, outputs: int, inputs: int, pixels: int, lanes: Any
) -> None:
    """sums (outputs, inputs) += grad (pixels, outputs) transposed times x (pixels, inputs)."""
    for o in range(0, outputs, 8):
        for c in range(0, inputs, len(lanes)):
            found = v.load_many(sums, o * inputs + c, inputs, v.EIGHT, lanes)
            for p in range(pixels):
                found = v.add_outer(found, grad, p * step + o, 1, v.load(x, p * x_step + c, lanes))
            v.store_many(sums, o * inputs + c, inputs, found)


# BatchNorm ------------------------------------------------------------------------------------------------------------


@inlined
def _take_moments(p: Pass, t: Any, row: Any, start: int, pixels: int) -> None:
    """Take the sums that BatchNorm needs of some of a row's outputs, from the pixel `start` on.

    Those of numbers are of what they are more than others near their mean, and of its square.
    """
    y, channels, near, lanes = row.y, row.y.channels, p.scratch.channels, p.lanes
    at, zero = y.place * p.images + start * channels, v.spread(p.values.dtype.type(0), lanes)
    if row.running < 0 or not p.training:
        return
    if t is not None:
        _add_sums(p, None, None, y, y.channel, p.values.dtype.type(1), p.out, y.place, start, pixels)
        return
    if start == 0:
        _near(near, p.values[at:], pixels, channels)
    for c in range(0, channels, len(lanes)):
        less, one, other = v.load(near, c, lanes), (zero, zero), (zero, zero)
        for q in range(at + c, at + c + pixels * channels, channels):
            x = v.subtract(v.load(p.values, q, lanes), less)
            one, other = other, (v.add(one[0], x), v.multiply_add(x, x, one[1]))  # two chains of sums in turn
        v.add_to_doubles(p.out_sums, 3 * y.channel + c, v.add(one[0], other[0]))
        v.add_to_doubles(p.out_sums, 3 * y.channel + channels + c, v.add(one[1], other[1]))


@inlined
def _near(near: Array, values: Array, pixels: int, channels: int) -> None:
    """The means of the first numbers of each channel."""
    _fill(near, channels, 0.0)
    for p in range(0, pixels * channels, channels):
        for c in range(channels):
            near[c] += values[p + c]
    for c in range(channels):
        near[c] /= pixels


@inlined
def _normalise(p: Pass, row: Any) -> None:
    """The scale and shift by which BatchNorm acts on y, from the sums of y or from the running statistics."""
    channels, place, first = row.y.channels, 3 * row.y.channel, 4 * row.y.channel
    count = p.images * row.y.height * row.y.width
    for c in range(channels):
        here = row.running + c
        mean, variance = np.float64(p.running[here]), np.float64(p.running[here + channels])
        if p.training:
            beside = p.sums[place + c] / count
            mean = p.scratch.channels[c] + beside
            variance = p.sums[place + channels + c] / count - beside * beside
            if p.momentum > 0:
                p.running[here] += p.momentum * (mean - p.running[here])
                unbiased = variance * count / max(1, count - 1)
                p.running[here + channels] += p.momentum * (unbiased - p.running[here + channels])
        scale, gain, bias = 1 / np.sqrt(variance + p.epsilon), 1.0, 0.0
        if row.gain >= 0:
            gain, bias = np.float64(p.parameters[row.gain + c]), np.float64(p.parameters[row.gain + channels + c])
        p.norms[first + c], p.norms[first + channels + c] = gain * scale, bias - gain * mean * scale
        p.norms[first + 2 * channels + c], p.norms[first + 3 * channels + c] = scale, -mean * scale


@inlined
def _normalise_tangent(p: Pass, t: Any, row: Any) -> None:
    """Turn the tangent dy of a convolution's output y into that of BatchNorm's, z: s (dy - mean(dy) - z mean(z dy))."""
    channels, place, first = row.y.channels, 3 * row.y.channel, 4 * row.y.channel + 2 * row.y.channels
    count, at, level = p.images * row.y.height * row.y.width, row.y.place * p.images, p.scratch.channels
    for c in range(channels):
        scale, shift = np.float64(p.norms[first + c]), np.float64(p.norms[first + channels + c])
        mean, product = t.sums[place + c] / count, t.sums[place + channels + c] / count
        t.along[row.y.channel + c] = product
        level[c], level[channels + c] = -scale * scale * product, -scale * (mean + product * shift)
    for c in range(0, channels, len(p.lanes)):
        scale = v.load(p.norms, first + c, p.lanes)
        slope, constant = v.load_many(level, c, channels, v.TWO, p.lanes)
        for q in range(at + c, at + c + count * channels, channels):
            rest = v.multiply_add(v.load(p.values, q, p.lanes), slope, constant)
            v.store(t.values, q, v.multiply_add(v.load(t.values, q, p.lanes), scale, rest))


@inlined
def _norm_gradient(p: Pass, g: Gradients, t: Any, row: Any) -> None:
    """The gradients of BatchNorm's own scale and shift, and that of y as a sum of products for each channel.

    The products are of the output's gradient, y, 1. For its tangent they are of the tangent of the output's gradient,
    y, 1, that gradient, the tangent of BatchNorm's output z.
    With f the gradient of z and s its scale the gradient is s (f - mean(f) - z mean(f z)), and ds = -s^2 mean(z dy).
    """
    channels, place, first = row.y.channels, 3 * row.y.channel, 4 * row.y.channel + 2 * row.y.channels
    count, out = p.images * row.y.height * row.y.width, p.scratch.channels
    factor = np.float64(p.factors[row.factor])
    for c in range(channels):
        scale, shift, gain, mean, along_z = 1.0, 0.0, 1.0, 0.0, 0.0
        if row.running >= 0:
            scale, shift = np.float64(p.norms[first + c]), np.float64(p.norms[first + channels + c])
            if p.training:
                mean, along_z = p.sums[place + c] / count, p.sums[place + channels + c] / count
            if row.gain >= 0:
                gain = np.float64(p.parameters[row.gain + c])
                if len(g.parameters) > 0:
                    g.parameters[row.gain + c] = factor * p.sums[place + channels + c]
                    g.parameters[row.gain + channels + c] = factor * p.sums[place + c]
        out[c] = gain * scale * factor
        out[channels + c] = -gain * scale * scale * factor * along_z
        out[2 * channels + c] = -gain * scale * factor * (mean + shift * along_z)
        if t is not None:
            moved, product, tilt, level = np.float64(t.factors[row.factor]), 0.0, 0.0, 0.0
            if row.running >= 0:
                product, at = t.along[row.y.channel + c], place + c
                level = moved * mean + factor * t.sums[at] / count
                tilt = moved * along_z + factor * (t.sums[at + channels] + t.sums[at + 2 * channels]) / count
            curve = scale * product * factor
            out[channels + c] = scale * scale * (curve * along_z - tilt)
            out[2 * channels + c] = scale * (curve * (mean + shift * along_z) - level - shift * tilt)
            out[3 * channels + c] = scale * (moved - curve)
            out[4 * channels + c] = -scale * factor * along_z


@inlined
def _take_norm_gradient(p: Pass, g: Gradients, t: Any, row: Any, out: Array, start: int, pixels: int) -> None:
    """Fill out (pixels, channels) with the gradient of y, or its tangent, from pixel `start` of all images on."""
    channels, products, lanes, begin = row.y.channels, p.scratch.channels, p.lanes, start
    grad, y = g.places[row.y.gradient] * p.images, row.y.place * p.images
    while begin < start + pixels:
        image, end = _until(p, row, begin)
        end = min(end, start + pixels)
        masked = v.spread(_mask(p, row.mask, image), lanes)
        for c in range(0, channels, len(lanes)):
            of_grad, of_y, constant = v.load_many(products, c, channels, v.THREE, lanes)
            of_grad = v.multiply(masked, of_grad)
            if t is not None:
                of_plain, of_z = v.load_many(products, 3 * channels + c, channels, v.TWO, lanes)
                of_plain = v.multiply(masked, of_plain)
            for q in range(begin * channels + c, end * channels + c, channels):
                level = v.multiply_add(v.load(p.values, y + q, lanes), of_y, constant)
                if t is not None:
                    level = v.multiply_add(v.load(t.values, y + q, lanes), of_z, level)
                    level = v.multiply_add(v.load(g.values, grad + q, lanes), of_plain, level)
                sent = v.multiply_add(v.load(g.out, grad + q, lanes), of_grad, level)
                v.store(out, q - start * channels, sent)
        begin = end


@inlined
def _until(p: Pass, row: Any, start: int) -> tuple[int, int]:
    """The image of a pixel of an output, and the pixel before which a loop from it on ends: masks are of images."""
    per_image, at_once = row.y.height * row.y.width, max(1, NUMBERS_AT_ONCE // (2 * row.y.channels))
    image, end = start // per_image, min(p.images * per_image, start + at_once)
    return image, min(end, (image + 1) * per_image) if row.mask >= 0 else end


@inlined
def _add_sums(
    p: Pass, g: Any, t: Any, images: Any, sums: int, mask: Any, flow: Array, place: int, start: int, pixels: int
) -> None:
    """Add to the sums of channels from `sums` on those of a flow times a mask, and of its products with images.

    The images are a state, the flow has a place of its own; both from the pixel `start` on.
    """
    channels, lanes, masked = images.channels, p.lanes, v.spread(mask, p.lanes)
    zero = v.spread(p.values.dtype.type(0), lanes)
    at, near = images.place * p.images + start * channels, place * p.images + start * channels
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load_many(p.norms, 4 * images.channel + 2 * channels + c, channels, v.TWO, lanes)
        plain, along, tangent = zero, zero, zero
        for q in range(c, c + pixels * channels, channels):
            x, sent = v.multiply_add(v.load(p.values, at + q, lanes), scale, shift), v.load(flow, near + q, lanes)
            plain, along = v.add(plain, sent), v.multiply_add(sent, x, along)
            if t is not None:
                tangent = v.multiply_add(v.load(g.values, near + q, lanes), v.load(t.values, at + q, lanes), tangent)
        v.add_to_doubles(p.out_sums, 3 * sums + c, v.multiply(masked, plain))
        v.add_to_doubles(p.out_sums, 3 * sums + channels + c, v.multiply(masked, along))
        if t is not None:
            v.add_to_doubles(p.out_sums, 3 * sums + 2 * channels + c, v.multiply(masked, tangent))


# operations -----------------------------------------------------------------------------------------------------------


@merged
def _pointwise_forward(p, t, row):  # type: ignore[no-untyped-def]
    s, inputs, stride, outputs = p.scratch, row.x.parts * row.x.channels, row.stride, row.y.channels // row.stride
    rows, width = max(1, NUMBERS_AT_ONCE // (row.y.width * max(stride * inputs, row.y.channels))), row.y.width
    for k in range(stride):
        _transpose(s.weights[k * outputs * inputs :], p.parameters[(row.first, row.second)[k] :], outputs, inputs)
    for first in range(0, p.images * row.y.height, rows):
        some = min(rows, p.images * row.y.height - first)
        start, pixels = first * width, some * width
        _exchange_pixels(p, None, t, row, first, some)
        for k in range(stride):
            out = p.out[row.y.place * p.images + start * row.y.channels + k * outputs :]
            weights, seen = s.weights[k * outputs * inputs :], s.seen[k * inputs :]
            _multiply(out, row.y.channels, seen, stride * inputs, weights, inputs, outputs, pixels, p.lanes)
        _take_moments(p, t, row, start, pixels)


@merged
def _pointwise_backward(p, g, t, row):  # type: ignore[no-untyped-def]
    s, inputs, stride, outputs = p.scratch, row.x.parts * row.x.channels, row.stride, row.y.channels // row.stride
    rows, width = max(1, NUMBERS_AT_ONCE // (row.y.width * max(stride * inputs, row.y.channels))), row.y.width
    if stride == 2 and g.written[row.x.gradient] == 0:  # it reads some of the pixels, and adds to all
        for part in range(row.x.parts):
            size = p.images * row.x.height * row.x.width * row.x.channels
            _fill(g.out[g.places[row.x.gradient + part] * p.images :], size, 0.0)
        g.written[row.x.gradient] = 1
    for first in range(0, p.images * row.y.height, rows):
        some = min(rows, p.images * row.y.height - first)
        pixels = some * width
        _take_norm_gradient(p, g, t, row, s.between, first * width, pixels)
        if len(g.parameters) > 0:
            _exchange_pixels(p, None, None, row, first, some)
        for k in range(stride):
            at, grad, seen = (row.first, row.second)[k], s.between[k * outputs :], s.seen[k * inputs :]
            if len(g.parameters) > 0:
                sums = g.parameters[at:]
                _add_products(sums, grad, row.y.channels, seen, stride * inputs, outputs, inputs, pixels, p.lanes)
            weights = p.parameters[at:]
            _multiply(seen, stride * inputs, grad, row.y.channels, weights, outputs, inputs, pixels, p.lanes)
        _exchange_pixels(p, g, t, row, first, some)


@merged
def _windows_forward(p, t, row, windows):  # type: ignore[no-untyped-def]
    """A separable convolution or a pool."""
    s, channels, (_, _, size), (together, rows) = p.scratch, row.y.channels, _frame(row), _at_once(row)
    _fill(s.frames, together * size, -np.inf if row.kind == MAX_POOL else 0.0)
    read = s.frames if t is None else s.around
    if row.kind == SEPARABLE:
        _transpose(s.taps, p.parameters[row.first :], channels, row.kernel * row.kernel)
        _transpose(s.weights, p.parameters[row.second :], channels, channels)
    elif row.kind == AVERAGE_POOL:
        _fill(s.taps, WINDOW * channels, 1.0)
    if t is not None:
        _fill(s.around, together * size, 0.0)
    for image in range(0, p.images, together):
        images = min(together, p.images - image)
        if t is None or row.kind == MAX_POOL:
            _exchange_frames(p, None, None, row, s.frames, image, images)
        if t is not None:
            _exchange_frames(p, None, t, row, s.around, image, images)
        for first in range(0, row.y.height, rows):
            some = images, first, min(rows, row.y.height - first)
            start, pixels = (image * row.y.height + first) * row.y.width, images * some[2] * row.y.width
            out = p.out[row.y.place * p.images + start * channels :]
            if row.kind == MAX_POOL:
                _largest(p, t, row, out, images, None, windows[3])
            else:
                _convolve(row, s.taps, s.seen, read, some, row.stride, None, windows, p.lanes)
            if row.kind == SEPARABLE:
                _multiply(out, channels, s.seen, channels, s.weights, channels, channels, pixels, p.lanes)
            elif row.kind == AVERAGE_POOL:
                _share_out(row, out, s.seen, images, p.lanes)
            _take_moments(p, t, row, start, pixels)


@merged
def _windows_backward(p, g, t, row, windows):  # type: ignore[no-untyped-def]
    s, channels, lanes, (_, _, size), (together, rows) = p.scratch, row.y.channels, p.lanes, _frame(row), _at_once(row)
    count, one, with_weights = row.kernel * row.kernel, row.stride // row.stride, len(g.parameters) > 0
    rows_in = max(1, min(row.x.height, NUMBERS_AT_ONCE // (row.x.width * channels)))
    zero, turned, weights = one - one, s.taps[count * channels :], p.parameters[row.second :]
    _fill(s.frames, together * size, -np.inf if row.kind == MAX_POOL else 0.0)
    _fill(s.around, together * size, 0.0)
    _fill(s.products, count * channels, 0.0)
    _fill(turned, count * channels, 1.0)
    if row.kind == SEPARABLE:
        _transpose(s.taps, p.parameters[row.first :], channels, count)
        for n in range(count):  # the kernel turned round
            for c in range(channels):
                turned[n * channels + c] = s.taps[(count - 1 - n) * channels + c]
    for image in range(0, p.images, together):
        images = min(together, p.images - image)
        if with_weights or row.kind == MAX_POOL:
            _exchange_frames(p, None, None, row, s.frames, image, images)
        for first in range(0, row.y.height, rows):
            some = images, first, min(rows, row.y.height - first)
            start, pixels = (image * row.y.height + first) * row.y.width, images * some[2] * row.y.width
            _take_norm_gradient(p, g, t, row, s.seen, start, pixels)
            if row.kind == MAX_POOL:
                _fill(s.around, images * size, 0.0)
                _largest(p, t, row, s.seen, images, True, windows[3])
                _exchange_frames(p, g, t, row, s.around, image, images)
                continue
            if row.kind == AVERAGE_POOL:
                _share_out(row, s.between, s.seen, images, lanes)
            else:
                _multiply(s.between, channels, s.seen, channels, weights, channels, channels, pixels, lanes)
                if with_weights:
                    sums = g.parameters[row.second :]
                    _convolve(row, s.taps, s.spatial, s.frames, some, row.stride, None, windows, lanes)
                    _add_products(sums, s.seen, channels, s.spatial, channels, channels, channels, pixels, lanes)
                    _convolve(row, s.products, s.between, s.frames, some, row.stride, True, windows, lanes)
            _write_rows(row, s.around, s.between, some, lanes)
        for first in range(0, row.x.height if row.kind != MAX_POOL else 0, rows_in):
            some = images, first, min(rows_in, row.x.height - first)
            start, pixels = (image * row.x.height + first) * row.x.width, images * some[2] * row.x.width
            _convolve(row, turned, s.between, s.around, some, one, None, windows, lanes)
            steps, line = (channels, channels, channels), (one, one, pixels)
            _exchange(p, g, t, row, s.between, zero, steps, zero, start * channels, channels, line)
            if row.x.role == BETWEEN:
                grad = g.places[row.x.gradient]
                _add_sums(p, g, t, row.x, row.x.channel, p.values.dtype.type(1), g.out, grad, start, pixels)
    if row.kind == SEPARABLE and with_weights:
        _transpose(g.parameters[row.first :], s.products, count, channels)


@inlined
def _share_out(row: Any, out: Array, numbers: Array, images: int, lanes: Any) -> None:
    """Write numbers divided by those of the pixels of their windows that are in the image."""
    y, stride = row.y, row.stride
    for i in range(images * y.height):
        top = i % y.height * stride - 1
        for j in range(y.width):
            left, at = j * stride - 1, (i * y.width + j) * y.channels
            pixels = (min(top + 3, row.x.height) - max(top, 0)) * (min(left + 3, row.x.width) - max(left, 0))
            share = v.spread(out.dtype.type(1 / pixels), lanes)
            for c in range(at, at + y.channels, len(lanes)):
                v.store(out, c, v.multiply(share, v.load(numbers, c, lanes)))


@inlined
def _largest(p: Pass, t: Any, row: Any, numbers: Array, images: int, back: Any, pools: Any) -> None:
    """Write the largest number of each window or its tangent; or send numbers `back` to their places in frames around.

    Of equal numbers the first counts, and not-a-number is larger than all.
    """
    if pools is None:
        return
    frames, around, lanes, (_, line, size) = p.scratch.frames, p.scratch.around, p.lanes, _frame(row)
    y, channels, zero = row.y, row.y.channels, v.spread(numbers.dtype.type(0), p.lanes)
    for c in range(0, channels, len(lanes)):
        for i in range(images * y.height):
            start = i // y.height * size + i % y.height * row.stride * line + c
            for j in range(y.width):
                at, to = start + j * row.stride * channels, (i * y.width + j) * channels + c
                largest = v.load(frames, at, lanes)
                for n in range(1, WINDOW):
                    largest = v.larger(largest, v.load(frames, _in_window(at, n, line, channels), lanes))
                if back is not None:
                    left = v.load(numbers, to, lanes)
                    for n in range(WINDOW):
                        here = _in_window(at, n, line, channels)
                        x = v.load(frames, here, lanes)
                        sent, left = v.where_equal(x, largest, left, zero), v.where_equal(x, largest, zero, left)
                        v.store(around, here, v.add(v.load(around, here, lanes), sent))
                elif t is not None:
                    found = zero
                    for n in range(WINDOW - 1, -1, -1):
                        here = _in_window(at, n, line, channels)
                        found = v.where_equal(v.load(frames, here, lanes), largest, v.load(around, here, lanes), found)
                    v.store(numbers, to, found)
                else:
                    v.store(numbers, to, largest)


@inlined
def _in_window(at: int, n: int, line: int, channels: int) -> int:
    """Where the nth pixel of a pool's window from `at` on lies."""
    return at + n // 3 * line + n % 3 * channels


# sums of terms --------------------------------------------------------------------------------------------------------


@inlined
def _add_term(p: Pass, t: Any, term: Any, image: int, out: int, start: int, pixels: int, adds: bool) -> None:
    """Write or add some pixels of a term, or of its tangent, to an output."""
    mask, channels, lanes = _mask(p, term.mask, image), term.x.channels, p.lanes
    at, to = term.x.place * p.images + start * channels, out * p.images + start * channels
    times = v.spread(mask * p.factors[term.factor], lanes)
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load_many(p.norms, 4 * term.x.channel + c, channels, v.TWO, lanes)
        along = times
        if t is not None:
            along = v.spread(mask * t.factors[term.factor], lanes)
        scale, shift = v.multiply(along, scale), v.multiply(along, shift)
        for q in range(c, c + pixels * channels, channels):
            total = v.multiply_add(v.load(p.values, at + q, lanes), scale, shift)
            if t is not None:  # noqa: SIM102 - known when compiling, the next is not
                if term.x.depends == 1:
                    total = v.multiply_add(times, v.load(t.values, at + q, lanes), total)
            if adds:
                total = v.add(v.load(p.out, to + q, lanes), total)
            v.store(p.out, to + q, total)


@inlined
def _add_product(p: Pass, g: Gradients, t: Any, term: Any, mask: Any, grad: int, to: int, count: int) -> None:
    """Write or add so many numbers of a gradient times a term's factor, or the tangent of that."""
    times, adds, lanes = v.spread(mask * p.factors[term.factor], p.lanes), g.written[term.x.gradient] == 1, p.lanes
    for n in range(0, count, len(lanes)):
        sent = v.multiply(times, v.load(g.out, grad + n, lanes))
        if t is not None:
            along = v.spread(mask * t.factors[term.factor], lanes)
            sent = v.multiply(along, v.load(g.values, grad + n, lanes))
            sent = v.multiply_add(times, v.load(g.out, grad + n, lanes), sent)
        if adds:
            sent = v.add(v.load(g.out, to + n, lanes), sent)
        v.store(g.out, to + n, sent)


@merged
def _sum_forward(p, t, terms, row):  # type: ignore[no-untyped-def]
    pixels, start = p.images * row.y.height * row.y.width, 0
    if row.first_term == row.last_term:
        _fill(p.out[row.y.place * p.images :], pixels * row.y.channels, 0.0)
    while start < pixels:
        image, end = _until(p, row, start)
        for number in range(row.first_term, row.last_term):
            _add_term(p, t, terms[number], image, row.y.place, start, end - start, number > row.first_term)
        start = end


@merged
def _sum_backward(p, g, t, terms, row, with_factors, with_all):  # type: ignore[no-untyped-def]
    """The sums that the gradients of the terms and their weights need, and the gradients of states that are terms."""
    channels, pixels, start = row.y.channels, p.images * row.y.height * row.y.width, 0
    for number in range(row.first_term, row.last_term):
        _fill(p.out_sums[3 * terms[number].sums :], 3 * channels, 0.0)
    while start < pixels:
        image, end = _until(p, row, start)
        place, count = g.places[row.y.gradient], end - start
        for number in range(row.first_term, row.last_term):
            term = terms[number]
            mask = _mask(p, term.mask, image)
            if with_factors or term.sums == term.x.channel:
                _add_sums(p, g, t, term.x, term.sums, mask, g.out, place, start, count)
            if term.x.role == SHARED and (term.x.depends == 1 or with_all):
                grad, to = place * p.images + start * channels, g.places[term.x.gradient] * p.images + start * channels
                _add_product(p, g, t, term, mask, grad, to, count * channels)
        start = end
    for number in range(row.first_term, row.last_term):
        term = terms[number]
        if term.x.role == SHARED and (term.x.depends == 1 or with_all):
            g.written[term.x.gradient] = 1
        for c in range(3 * term.sums + channels, 3 * term.sums + 2 * channels):
            g.factors[term.factor] += p.out_sums[c]
            if t is not None and term.x.depends == 1:
                g.factors[term.factor] += p.out_sums[c + channels]


@merged
def _state_sums(p, g, t, row):  # type: ignore[no-untyped-def]
    """The sums of the gradient of a row's output, to which several others have sent theirs."""
    place, one, start = g.places[row.y.gradient], p.values.dtype.type(1), 0
    _fill(p.out_sums[3 * row.y.channel :], 3 * row.y.channels, 0.0)
    while start < p.images * row.y.height * row.y.width:
        _, end = _until(p, row, start)
        _add_sums(p, g, t, row.y, row.y.channel, one, g.out, place, start, end - start)
        start = end


# a pass ---------------------------------------------------------------------------------------------------------------


@partial(compiled, makes_arrays=False)
def forward(rows: Array, first: int, last: int, terms: Array, p: Pass, t: Any, windows: Any) -> None:
    """Run the rows from first to last - 1, or compute their tangents."""
    for number in range(first, last):
        row = rows[number]
        if row.kind == SUM:
            _sum_forward(p, t, terms, row)
        elif row.x.depends == 1 or t is None:
            _fill(p.out_sums[3 * row.y.channel :], 3 * row.y.channels, 0.0)
            if row.kind == POINTWISE:
                _pointwise_forward(p, t, row)
            else:
                _windows_forward(p, t, row, windows)
            if row.running >= 0:
                if t is None:
                    _normalise(p, row)
                else:
                    _normalise_tangent(p, t, row)


@partial(compiled, makes_arrays=False)
def backward(
    rows: Array, ran: Array, terms: Array, p: Pass, g: Gradients, t: Any, with_factors: bool, with_all: bool,
    windows: Any,
) -> None:  # fmt: skip
    """Send the gradients of the outputs back through all rows, or their tangents.

    With `with_all` also through rows whose input does not depend on the factors. A row that no gradient reaches does
    not run; `ran` says which did.
    """
    for number in range(len(rows) - 1, -1, -1):
        row = rows[number]
        ran[number] = g.written[row.y.gradient] == 1 and (row.x.depends == 1 or with_all)
        if not ran[number]:
            continue
        if row.kind == SUM:
            _sum_backward(p, g, t, terms, row, with_factors, with_all)
            continue
        if row.y.role == SHARED:
            _state_sums(p, g, t, row)
        if row.x.role == BETWEEN:
            _fill(p.out_sums[3 * row.x.channel :], 3 * row.x.channels, 0.0)
        _norm_gradient(p, g, t, row)
        if row.kind == POINTWISE:
            _pointwise_backward(p, g, t, row)
        else:
            _windows_backward(p, g, t, row, windows)
        for part in range(row.x.parts):
            g.written[row.x.gradient + part] = 1
