"""The loops of single operations of a cell network, and of a whole pass over a table of them, compiled.

`pass_table.py` has the rows that they read, `compiled_pass.py` what they are called with. Images lie one after the
other, each its rows, a row its pixels, a pixel its channels. A loop goes through a few images at a time, or a few rows
of one, which stay in the cache; frames are images with a border. BatchNorm's output is never stored: what reads the
numbers y of a convolution reads `scale * y + shift` instead.

With tangents, the loops compute derivatives along a direction of the factors: of images, which are stored, and on the
way back of gradients, where parameters stay fixed. Arguments: `p` is the pass, `g` its gradients, `t` its tangents or
None, which numba knows when it compiles.
"""

from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.runtime import vectors as v
from workflow_scripts.runtime.compilation import compiled, inlined

Array = NDArray[Any]
POINTWISE, SEPARABLE, MAX_POOL, AVERAGE_POOL, SUM = range(5)
NUMBERS_AT_ONCE = 4096
WINDOW = 9  # pixels, of a pool
# Made a part of the function that calls it before types are known. 1 is `row.stride // row.stride` there: for an
# argument that is a number written out numba compiles a function once more.
merged: Any = numba.njit(inline="always")


class Scratch(NamedTuple):
    """Small arrays that stay in the cache."""

    frames: Array
    """of inputs"""
    around: Array
    """frames of gradients, or of the tangents of inputs"""
    seen: Array
    """what a pointwise convolution reads; on the way back of a separable one, the gradient of what it wrote"""
    spatial: Array
    """what a depthwise convolution wrote, computed again on the way back"""
    between: Array
    """gradients between the parts of an operation"""
    taps: Array
    weights: Array
    products: Array
    """gradients of taps and weights"""
    channels: Array
    """a few numbers for each channel"""


class Pass(NamedTuple):
    """What a pass reads and writes; a channel is a place in the arrays of channels, from `Row.channel` on."""

    images: int
    training: bool
    """whether BatchNorm uses the statistics of the batch"""
    momentum: float
    """with which BatchNorm's running statistics move in training; 0 where they stay"""
    epsilon: float
    """what BatchNorms add to variances"""
    values: Array
    """all images between operations"""
    norms: Array
    """4 for each channel: scale and shift of those images, and both without BatchNorm's own scale and shift"""
    parameters: Array
    factors: Array
    """the weights of the terms"""
    masks: Array
    """drop-path masks, one number for each image"""
    running: Array
    """means and variances of BatchNorms"""
    sums: Array
    """in double precision, 3 for each channel: of y and its square, or of a gradient and its product with what
    BatchNorm made; the third is for tangents"""
    scratch: Scratch
    lanes: Any
    """a tuple as long as vectors are"""
    out: Array
    """where images are written: `values`, or those of the tangents"""
    out_sums: Array
    """where sums are taken: `sums`, or those of the tangents"""


class Gradients(NamedTuple):
    """What a backward pass writes."""

    values: Array
    out: Array
    """where gradients are written: `values`, or those of the tangents"""
    places: Array
    """of each gradient in `values`, by image"""
    written: Array
    """whether a gradient has been written to"""
    factors: Array
    """in double precision"""
    parameters: Array
    """empty where they are not asked for"""


class Tangents(NamedTuple):
    """Derivatives along a direction of the factors."""

    values: Array
    """of the images, with BatchNorm but without its own scale, which there is none of"""
    along: Array
    """means over images and pixels of the product of a convolution's tangent with what BatchNorm made"""
    factors: Array
    sums: Array
    """as `Pass.sums`, of tangents; the third is of the gradient's product with the image's tangent"""
    gradients: Array


@inlined
def _fill(array: Array, count: int, value: float) -> None:
    for n in range(count):
        array[n] = value


@inlined
def _copy(target: Array, source: Array, count: int) -> None:
    for n in range(count):
        target[n] = source[n]


@inlined
def _clear(p: Pass, channel: int, channels: int) -> None:
    """Begin sums anew."""
    _fill(p.out_sums[3 * channel :], 3 * channels, 0.0)


@inlined
def _mask(p: Pass, number: int, image: int) -> Any:
    """What a drop-path mask is for an image; 1 for no mask."""
    return p.masks[number * p.images + image] if number >= 0 else p.values.dtype.type(1)


# convolutions ---------------------------------------------------------------------------------------------------------


@inlined
def _frame(row: Any) -> tuple[int, int, int]:
    """Of the frames of a row's input: the border, and the numbers of a line and of a frame."""
    padding = row.dilation * (row.kernel - 1) // 2
    line = (row.width + 2 * padding) * row.inputs
    return padding, line, (row.height + 2 * padding) * line


@inlined
def _at_once(row: Any) -> tuple[int, int]:
    """How many images go through a row of windows together, and how many rows of their outputs."""
    size, rows = row.height * row.width * row.outputs, row.out_height
    if row.kind != SEPARABLE:
        return max(1, NUMBERS_AT_ONCE // size), rows
    rows = max(1, min(rows, NUMBERS_AT_ONCE // (row.out_width * row.outputs)))
    return max(1, NUMBERS_AT_ONCE // (2 * size)) if rows == row.out_height else 1, rows


@inlined
def _seen(values: Array, at: int, norm: Any, rectified: bool, t: Any, lanes: Any) -> Any:
    """What an operation reads: images, their positive parts or all; or their tangents, where these parts are."""
    value = v.multiply_add(v.load(values, at, lanes), norm[0], norm[1])
    seen = value
    if t is not None:
        seen = v.load(t.values, at, lanes)
    return v.where_positive(value, seen) if rectified else seen


@inlined
def _fill_frames(p: Pass, t: Any, row: Any, frames: Array, image: int, images: int) -> None:
    """Write what a row reads into frames, of so many images from `image` on."""
    channels, (padding, line, size) = row.inputs, _frame(row)
    for c in range(0, channels, len(p.lanes)):
        norm = v.load_many(p.norms, 4 * row.x_channel + c, channels, v.TWO, p.lanes)
        for k in range(images):
            for i in range(row.height):
                at = row.x * p.images + ((image + k) * row.height + i) * row.width * channels + c
                to = k * size + (padding + i) * line + padding * channels + c
                for j in range(0, row.width * channels, channels):
                    v.store(frames, to + j, _seen(p.values, at + j, norm, row.kind < MAX_POOL, t, p.lanes))


@inlined
def _convolve(
    p: Pass, row: Any, taps: Array, out: Array, frames: Array, some: Any, stride: int, adds: Any,
    three: Any, five: Any, seven: Any,
) -> None:  # fmt: skip
    """Write a depthwise convolution of frames; with `adds`, add to the gradient of the taps, for that of `out`.

    `some` are how many images, and of each the first row of the output and their number.
    """
    if three is not None and row.kernel == 3:
        _slide(row, taps, out, frames, some, stride, adds, three, p.lanes)
    if five is not None and row.kernel == 5:
        _slide(row, taps, out, frames, some, stride, adds, five, p.lanes)
    if seven is not None and row.kernel == 7:
        _slide(row, taps, out, frames, some, stride, adds, seven, p.lanes)


@inlined
def _slide(
    row: Any, taps: Array, out: Array, frames: Array, some: Any, stride: int, adds: Any, window: Any, lanes: Any
) -> None:
    (images, first, rows), (_, line, size), channels = some, _frame(row), row.outputs
    width, steps = 1 + (row.width - 1) // stride, (channels, row.dilation * line, row.dilation * channels)
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
    (images, first, rows), (padding, line, size), channels = some, _frame(row), row.outputs
    for k in range(images):
        for i in range(rows):
            to = k * size + ((first + i) * row.stride + padding) * line + padding * channels
            for j in range(row.out_width):
                for c in range(0, channels, len(lanes)):
                    number = v.load(source, ((k * rows + i) * row.out_width + j) * channels + c, lanes)
                    v.store(frames, to + j * row.stride * channels + c, number)


@inlined
def _multiply(
    out: Array, out_step: int, x: Array, step: int, weights: Array, inputs: int, outputs: int, pixels: int, lanes: Any
) -> None:
    """out (pixels, outputs) = x (pixels, inputs) times weights (inputs, outputs); steps are from pixel to pixel."""
    nothing = v.spread(x.dtype.type(0), lanes)
    for c in range(0, outputs, len(lanes)):
        if inputs == 8:
            columns = v.load_many(weights, c, outputs, v.EIGHT, lanes)
            for p in range(pixels):
                v.store(out, p * out_step + c, v.combine(columns, x, p * step))
        else:
            whole = pixels - pixels % 8
            for p in range(0, whole, 8):
                sums = v.repeat(nothing, v.EIGHT)
                for k in range(inputs):
                    sums = v.add_outer(sums, x, p * step + k, step, v.load(weights, k * outputs + c, lanes))
                v.store_many(out, p * out_step + c, out_step, sums)
            for p in range(whole, pixels):
                total = nothing
                for k in range(inputs):
                    number = v.spread(x[p * step + k], lanes)
                    total = v.multiply_add(number, v.load(weights, k * outputs + c, lanes), total)
                v.store(out, p * out_step + c, total)


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


@inlined
def _see(p: Pass, t: Any, row: Any, first: int, rows: int) -> None:
    """What a pointwise convolution sees, (pixels, stride * parts * inputs), of output rows `first` on of all images.

    A factorized reduction sees the pixels (2i, 2j) and (2i + 1, 2j + 1) side by side.
    """
    stride, channels, step = row.stride, row.inputs, row.stride * row.parts * row.inputs
    lines, across = (1, rows * row.out_width) if stride == 1 else (rows, row.out_width)
    for part in range(row.parts):
        for c in range(0, channels, len(p.lanes)):
            norm = v.load_many(p.norms, 4 * row.x_channel + c, channels, v.TWO, p.lanes)
            for g in range(stride):
                for i in range(lines):
                    at = (row.x + part * row.height * row.width * channels) * p.images + _pixel(row, first + i, g) + c
                    to = i * across * step + (g * row.parts + part) * channels + c
                    for j in range(across):
                        seen = _seen(p.values, at + j * stride * channels, norm, row.kind < MAX_POOL, t, p.lanes)
                        v.store(p.scratch.seen, to + j * step, seen)


@inlined
def _pixel(row: Any, line: int, shifted: int) -> int:
    """Where the first pixel lies that a pointwise convolution's output line sees of one state."""
    pixel = ((line % row.out_height) * row.stride + shifted) * row.width + shifted
    return (line // row.out_height * row.height * row.width + pixel) * row.inputs


@inlined
def _take_taps(p: Pass, row: Any) -> None:
    """A kernel's taps, all channels of one after the other, and behind them in the opposite order."""
    taps, channels, count = p.scratch.taps, row.outputs, row.kernel * row.kernel
    for c in range(channels):
        for n in range(count):
            taps[n * channels + c] = p.parameters[row.first + c * count + n]
            taps[(2 * count - 1 - n) * channels + c] = p.parameters[row.first + c * count + n]


@inlined
def _take_weights(p: Pass, row: Any, transposed: bool) -> None:
    """The matrices (outputs, inputs) of a row's pointwise convolutions, or their transposed."""
    inputs, pairs = row.parts * row.inputs, row.stride if row.kind == POINTWISE else 1
    outputs = row.outputs // pairs
    for m in range(pairs):
        at = row.first if row.kind == POINTWISE and m == 0 else row.second
        for o in range(outputs):
            for k in range(inputs):
                to = k * outputs + o if transposed else o * inputs + k
                p.scratch.weights[m * outputs * inputs + to] = p.parameters[at + o * inputs + k]


# BatchNorm ------------------------------------------------------------------------------------------------------------


@inlined
def _take_moments(p: Pass, t: Any, row: Any, start: int, pixels: int) -> None:
    """Take the sums that BatchNorm needs of some of a row's outputs, the first of them at pixel `start`."""
    at = row.y * p.images + start * row.outputs
    if row.running >= 0 and p.training:
        if t is not None:
            place, one = 4 * row.channel + 2 * row.outputs, p.values.dtype.type(1)
            _add_sums(p, None, None, row.channel, row.outputs, one, p.out, at, at, place, pixels)
        else:
            if start == 0:
                _near(p.scratch.channels, p.values[at:], pixels, row.outputs)
            _add_moments(p, row, at, pixels)


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
def _add_moments(p: Pass, row: Any, at: int, pixels: int) -> None:
    """Add to the sums those of numbers less others near their mean, and of squares."""
    channels, zero = row.outputs, v.spread(p.values.dtype.type(0), p.lanes)
    for c in range(0, channels, len(p.lanes)):
        near, one, other = v.load(p.scratch.channels, c, p.lanes), (zero, zero), (zero, zero)
        for q in range(at + c, at + c + (pixels - 1) * channels, 2 * channels):
            one = _moments(p.values, q, near, one, p.lanes)
            other = _moments(p.values, q + channels, near, other, p.lanes)
        if pixels % 2 == 1:
            one = _moments(p.values, at + c + (pixels - 1) * channels, near, one, p.lanes)
        _add_to_sums(p, None, row.channel, channels, c, (v.add(one[0], other[0]), v.add(one[1], other[1]), zero))


@inlined
def _moments(values: Array, at: int, near: Any, sums: Any, lanes: Any) -> Any:
    x = v.subtract(v.load(values, at, lanes), near)
    return v.add(sums[0], x), v.multiply_add(x, x, sums[1])


@inlined
def _add_to_sums(p: Pass, t: Any, channel: int, channels: int, c: int, sums: Any) -> None:
    """Add to the sums of some channels, the third only with tangents."""
    v.add_to_doubles(p.out_sums, 3 * channel + c, sums[0])
    v.add_to_doubles(p.out_sums, 3 * channel + channels + c, sums[1])
    if t is not None:
        v.add_to_doubles(p.out_sums, 3 * channel + 2 * channels + c, sums[2])


@inlined
def _normalise(p: Pass, row: Any) -> None:
    """The scale and shift by which BatchNorm acts on y, from the sums of y or from the running statistics."""
    channels, place, first = row.outputs, 3 * row.channel, 4 * row.channel
    count = p.images * row.out_height * row.out_width
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
    channels, place, first = row.outputs, 3 * row.channel, 4 * row.channel + 2 * row.outputs
    count, at, level = p.images * row.out_height * row.out_width, row.y * p.images, p.scratch.channels
    for c in range(channels):
        scale, shift = np.float64(p.norms[first + c]), np.float64(p.norms[first + channels + c])
        mean, product = t.sums[place + c] / count, t.sums[place + channels + c] / count
        t.along[row.channel + c] = product
        level[c], level[channels + c] = -scale * scale * product, -scale * (mean + product * shift)
    for c in range(0, channels, len(p.lanes)):
        scale = v.load(p.norms, first + c, p.lanes)
        slope, constant = v.load_many(level, c, channels, v.TWO, p.lanes)
        for q in range(at + c, at + c + count * channels, channels):
            rest = v.multiply_add(v.load(p.values, q, p.lanes), slope, constant)
            v.store(t.values, q, v.multiply_add(v.load(t.values, q, p.lanes), scale, rest))


@inlined
def _norm_gradient(p: Pass, t: Any, row: Any) -> None:
    """The gradient of y as a sum of products, for each channel: of the output's gradient, y, 1.

    For its tangent: of the tangent of the output's gradient, y, 1, that gradient, the tangent of BatchNorm's output z.
    With f the gradient of z and s its scale the gradient is s (f - mean(f) - z mean(f z)), and ds = -s^2 mean(z dy).
    """
    channels, place, first = row.outputs, 3 * row.channel, 4 * row.channel + 2 * row.outputs
    count, out = p.images * row.out_height * row.out_width, p.scratch.channels
    factor = np.float64(p.factors[row.factor])
    for c in range(channels):
        scale, shift, gain, mean, along_z = 1.0, 0.0, 1.0, 0.0, 0.0
        if row.running >= 0:
            scale, shift = np.float64(p.norms[first + c]), np.float64(p.norms[first + channels + c])
            if p.training:
                mean, along_z = p.sums[place + c] / count, p.sums[place + channels + c] / count
            if row.gain >= 0:
                gain = np.float64(p.parameters[row.gain + c])
        out[c] = gain * scale * factor
        out[channels + c] = -gain * scale * scale * factor * along_z
        out[2 * channels + c] = -gain * scale * factor * (mean + shift * along_z)
        if t is not None:
            moved, product, tilt, level = np.float64(t.factors[row.factor]), 0.0, 0.0, 0.0
            if row.running >= 0:
                product, at = t.along[row.channel + c], place + c
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
    channels, per_image, products, lanes = row.outputs, row.out_height * row.out_width, p.scratch.channels, p.lanes
    grad, y, done = g.places[row.y_gradient] * p.images + start * channels, row.y * p.images + start * channels, 0
    while done < pixels:
        end, image = pixels, (start + done) // per_image
        if row.mask >= 0:
            end = min(pixels, (image + 1) * per_image - start)
        masked = v.spread(_mask(p, row.mask, image), lanes)
        for c in range(0, channels, len(lanes)):
            of_grad, of_y, constant = v.load_many(products, c, channels, v.THREE, lanes)
            of_grad = v.multiply(masked, of_grad)
            if t is not None:
                of_plain, of_z = v.load_many(products, 3 * channels + c, channels, v.TWO, lanes)
                of_plain = v.multiply(masked, of_plain)
            for q in range(done * channels + c, end * channels + c, channels):
                level = v.multiply_add(v.load(p.values, y + q, lanes), of_y, constant)
                if t is not None:
                    level = v.multiply_add(v.load(t.values, y + q, lanes), of_z, level)
                    level = v.multiply_add(v.load(g.values, grad + q, lanes), of_plain, level)
                v.store(out, q, v.multiply_add(v.load(g.out, grad + q, lanes), of_grad, level))
        done = end


@inlined
def _add_sums(
    p: Pass, g: Any, t: Any, channel: int, channels: int, mask: Any, flow: Array, start: int, at: int, norms: int,
    pixels: int,
) -> None:  # fmt: skip
    """Add to sums from a channel on those of a flow times a mask, and of its products with images.

    The flow is that of the pixels from `start` on, the images lie at `at`, their scale and shift at `norms`.
    """
    zero, masked, lanes = v.spread(p.values.dtype.type(0), p.lanes), v.spread(mask, p.lanes), p.lanes
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load_many(p.norms, norms + c, channels, v.TWO, lanes)
        plain, along, tangent = zero, zero, zero
        for q in range(c, c + pixels * channels, channels):
            x, sent = v.multiply_add(v.load(p.values, at + q, lanes), scale, shift), v.load(flow, start + q, lanes)
            plain, along = v.add(plain, sent), v.multiply_add(sent, x, along)
            if t is not None:
                tangent = v.multiply_add(v.load(g.values, start + q, lanes), v.load(t.values, at + q, lanes), tangent)
        found = v.multiply(masked, plain), v.multiply(masked, along), v.multiply(masked, tangent)
        _add_to_sums(p, t, channel, channels, c, found)


@inlined
def _send(p: Pass, g: Gradients, t: Any, row: Any, source: Array, at: int, to: int, steps: Any, size: Any) -> None:
    """Write or add the gradient of some pixels of images, which is that of what was read where this was positive.

    The pixels lie at `at`, their gradient at `to`. `steps` are from line to line and from pixel to pixel of the source,
    and from pixel to pixel of the images; `size` is the number of lines and of their pixels. Where nothing else reads
    the image, the sums that BatchNorm's gradient needs are added to those of its channels.
    """
    (line, step, pixel), (height, width), channels, lanes = steps, size, row.inputs, p.lanes
    adds, rectified, summed = g.written[row.x_gradient] == 1, row.kind < MAX_POOL, row.x_summed == 1
    zero = v.spread(p.values.dtype.type(0), lanes)
    for c in range(0, channels, len(lanes)):
        scale, shift, made, made_shift = v.load_many(p.norms, 4 * row.x_channel + c, channels, v.FOUR, lanes)
        plain, along, tangent = zero, zero, zero
        for i in range(height):
            here, found = i * width * pixel + c, i * line + c
            for j in range(width):
                flowing, near = v.load(source, found + j * step, lanes), here + j * pixel
                x = v.load(p.values, at + near, lanes)
                if rectified:
                    flowing = v.where_positive(v.multiply_add(x, scale, shift), flowing)
                if summed:
                    plain = v.add(plain, flowing)
                    along = v.multiply_add(flowing, v.multiply_add(x, made, made_shift), along)
                    if t is not None:
                        plain_flow = v.load(g.values, to + near, lanes)
                        tangent = v.multiply_add(plain_flow, v.load(t.values, at + near, lanes), tangent)
                if adds:
                    flowing = v.add(v.load(g.out, to + near, lanes), flowing)
                v.store(g.out, to + near, flowing)
        if summed:
            _add_to_sums(p, t, row.x_channel, channels, c, (plain, along, tangent))


# operations -----------------------------------------------------------------------------------------------------------


@merged
def _pointwise_forward(p, t, row):  # type: ignore[no-untyped-def]
    inputs, stride, outputs, width = row.parts * row.inputs, row.stride, row.outputs // row.stride, row.out_width
    _take_weights(p, row, True)
    rows = max(1, NUMBERS_AT_ONCE // (width * max(stride * inputs, row.outputs)))
    for first in range(0, p.images * row.out_height, rows):
        some = min(rows, p.images * row.out_height - first)
        start, pixels = first * width, some * width
        _see(p, t, row, first, some)
        for k in range(stride):
            out, seen = p.out[row.y * p.images + start * row.outputs + k * outputs :], p.scratch.seen[k * inputs :]
            weights = p.scratch.weights[k * outputs * inputs :]
            _multiply(out, row.outputs, seen, stride * inputs, weights, inputs, outputs, pixels, p.lanes)
        _take_moments(p, t, row, start, pixels)


@merged
def _pointwise_backward(p, g, t, row):  # type: ignore[no-untyped-def]
    s, stride, inputs, outputs = p.scratch, row.stride, row.parts * row.inputs, row.outputs // row.stride
    size, step, width = row.height * row.width * row.inputs, stride * inputs, row.out_width
    with_weights = len(g.parameters) > 0
    _take_weights(p, row, False)
    _fill(s.products, row.outputs * inputs, 0.0)
    if stride == 2 and g.written[row.x_gradient] == 0:  # it reads some of the pixels, and adds to all
        for part in range(row.parts):
            _fill(g.out[g.places[row.x_gradient + part] * p.images :], p.images * size, 0.0)
        g.written[row.x_gradient] = 1
    rows = max(1, NUMBERS_AT_ONCE // (width * max(step, row.outputs)))
    for first in range(0, p.images * row.out_height, rows):
        some = min(rows, p.images * row.out_height - first)
        pixels = some * width
        _take_norm_gradient(p, g, t, row, s.between, first * width, pixels)
        if with_weights:
            _see(p, None, row, first, some)
        for k in range(stride):
            matrix, grad, seen = k * outputs * inputs, s.between[k * outputs :], s.seen[k * inputs :]
            if with_weights:
                _add_products(s.products[matrix:], grad, row.outputs, seen, step, outputs, inputs, pixels, p.lanes)
            _multiply(seen, step, grad, row.outputs, s.weights[matrix:], outputs, inputs, pixels, p.lanes)
        lines, across = (1, pixels) if stride == 1 else (some, width)
        for part in range(row.parts):
            x, to = (row.x + part * size) * p.images, g.places[row.x_gradient + part] * p.images
            for k in range(stride):
                for i in range(lines):
                    pixel = _pixel(row, first + i, k)
                    source = s.seen[i * width * step + (k * row.parts + part) * row.inputs :]
                    steps, one_line = (step, step, stride * row.inputs), (row.kernel, across)  # a kernel of 1
                    _send(p, g, t, row, source, x + pixel, to + pixel, steps, one_line)
    if with_weights:
        for k in range(stride):
            at = row.first if k == 0 else row.second
            _copy(g.parameters[at:], s.products[k * outputs * inputs :], outputs * inputs)


@merged
def _windows_forward(p, t, row, three, five, seven, pools):  # type: ignore[no-untyped-def]
    """A separable convolution or a pool."""
    s, channels, (_, _, size), (together, rows) = p.scratch, row.outputs, _frame(row), _at_once(row)
    _fill(s.frames, together * size, -np.inf if row.kind == MAX_POOL else 0.0)
    read = s.frames if t is None else s.around
    if row.kind == SEPARABLE:
        _take_taps(p, row)
        _take_weights(p, row, True)
    if t is not None:
        _fill(s.around, together * size, 0.0)
    for image in range(0, p.images, together):
        images = min(together, p.images - image)
        if t is None or row.kind == MAX_POOL:
            _fill_frames(p, None, row, s.frames, image, images)
        if t is not None:
            _fill_frames(p, t, row, s.around, image, images)
        for first in range(0, row.out_height, rows):
            count = min(rows, row.out_height - first)
            start, pixels = (image * row.out_height + first) * row.out_width, images * count * row.out_width
            out = p.out[row.y * p.images + start * channels :]
            if row.kind == SEPARABLE:
                _convolve(p, row, s.taps, s.seen, read, (images, first, count), row.stride, None, three, five, seven)
                _multiply(out, channels, s.seen, channels, s.weights, channels, channels, pixels, p.lanes)
            else:
                _pool(p, t, row, out, images, pools)
            _take_moments(p, t, row, start, pixels)


@inlined
def _pool(p: Pass, t: Any, row: Any, out: Array, images: int, pools: Any) -> None:
    """Write the largest number or the mean of the pixels of each window; or the tangent of that."""
    if pools is None:
        return
    frames, around, lanes = p.scratch.frames, p.scratch.around, p.lanes
    channels, (_, line, size) = row.outputs, _frame(row)
    for c in range(0, channels, len(lanes)):
        for k in range(images):
            for i in range(row.out_height):
                for j in range(row.out_width):
                    at = k * size + i * row.stride * line + j * row.stride * channels + c
                    if row.kind == MAX_POOL:
                        found = _largest(frames, at, line, channels, lanes)
                        if t is not None:
                            found = _at_largest(around, frames, at, line, channels, found, lanes)
                    else:
                        found = v.spread(out.dtype.type(0), lanes)
                        for n in range(WINDOW):
                            read = frames if t is None else around
                            found = v.add(found, v.load(read, _in_window(at, n, line, channels), lanes))
                        found = v.multiply(v.spread(out.dtype.type(_share(row, i, j)), lanes), found)
                    v.store(out, ((k * row.out_height + i) * row.out_width + j) * channels + c, found)


@inlined
def _in_window(at: int, n: int, line: int, channels: int) -> int:
    """Where the nth pixel of a pool's window from `at` on lies."""
    return at + n // 3 * line + n % 3 * channels


@inlined
def _largest(frames: Array, at: int, line: int, channels: int, lanes: Any) -> Any:
    """The largest numbers of a window; not-a-number where there is one."""
    found = v.load(frames, at, lanes)
    for n in range(1, WINDOW):
        found = v.larger(found, v.load(frames, _in_window(at, n, line, channels), lanes))
    return found


@inlined
def _at_largest(values: Array, frames: Array, at: int, line: int, channels: int, largest: Any, lanes: Any) -> Any:
    """The numbers of `values` where those of a window of frames are largest, the first of equal ones."""
    found = v.spread(values.dtype.type(0), lanes)
    for n in range(WINDOW - 1, -1, -1):
        here = _in_window(at, n, line, channels)
        found = v.where_equal(v.load(frames, here, lanes), largest, v.load(values, here, lanes), found)
    return found


@inlined
def _share(row: Any, i: int, j: int) -> float:
    """One over the number of pixels of a pool's window that are in the image."""
    top, left = i * row.stride - 1, j * row.stride - 1
    return 1 / ((min(top + 3, row.height) - max(top, 0)) * (min(left + 3, row.width) - max(left, 0)))


@merged
def _separable_backward(p, g, t, row, three, five, seven):  # type: ignore[no-untyped-def]
    s, channels, lanes, (_, _, size), (together, rows) = p.scratch, row.outputs, p.lanes, _frame(row), _at_once(row)
    numbers_in, taps_end = row.height * row.width * channels, row.kernel * row.kernel * channels
    with_weights, one = len(g.parameters) > 0, row.stride // row.stride
    turned, products = s.taps[taps_end:], s.products[taps_end:]
    rows_in = max(1, min(row.height, NUMBERS_AT_ONCE // (row.width * channels)))
    _fill(s.around, together * size, 0.0)
    _fill(s.frames, together * size, 0.0)
    _fill(s.products, taps_end + channels * channels, 0.0)
    _take_taps(p, row)
    _take_weights(p, row, False)
    for image in range(0, p.images, together):
        images = min(together, p.images - image)
        if with_weights:
            _fill_frames(p, None, row, s.frames, image, images)
        for first in range(0, row.out_height, rows):
            count = min(rows, row.out_height - first)
            some, pixels = (images, first, count), images * count * row.out_width
            _take_norm_gradient(p, g, t, row, s.seen, (image * row.out_height + first) * row.out_width, pixels)
            _multiply(s.between, channels, s.seen, channels, s.weights, channels, channels, pixels, lanes)
            if with_weights:
                _convolve(p, row, s.taps, s.spatial, s.frames, some, row.stride, None, three, five, seven)
                _add_products(products, s.seen, channels, s.spatial, channels, channels, channels, pixels, lanes)
                _convolve(p, row, s.products, s.between, s.frames, some, row.stride, True, three, five, seven)
            _write_rows(row, s.around, s.between, some, lanes)
        for first in range(0, row.height, rows_in):  # the same convolution with its kernel turned round
            count, at = min(rows_in, row.height - first), image * numbers_in + first * row.width * channels
            _convolve(p, row, turned, s.between, s.around, (images, first, count), one, None, three, five, seven)
            x, to = row.x * p.images + at, g.places[row.x_gradient] * p.images + at
            steps = row.width * channels, channels, channels
            _send(p, g, t, row, s.between, x, to, steps, (images * count, row.width))
    if with_weights:
        for c in range(channels):
            for n in range(row.kernel * row.kernel):
                g.parameters[row.first + c * row.kernel * row.kernel + n] = s.products[n * channels + c]
        _copy(g.parameters[row.second :], products, channels * channels)


@merged
def _pool_backward(p, g, t, row):  # type: ignore[no-untyped-def]
    s, channels, (padding, line, size), (together, _) = p.scratch, row.outputs, _frame(row), _at_once(row)
    per_image, numbers_in = row.out_height * row.out_width, row.height * row.width * row.outputs
    _fill(s.frames, together * size, -np.inf)
    for image in range(0, p.images, together):
        images = min(together, p.images - image)
        _fill(s.around, images * size, 0.0)
        _fill_frames(p, None, row, s.frames, image, images)
        _take_norm_gradient(p, g, t, row, s.seen, image * per_image, images * per_image)
        _pool_back(p, row, images)
        for k in range(images):
            at, inside = (image + k) * numbers_in, s.around[k * size + padding * (line + channels) :]
            x, to = row.x * p.images + at, g.places[row.x_gradient] * p.images + at
            _send(p, g, t, row, inside, x, to, (line, channels, channels), (row.height, row.width))


@inlined
def _pool_back(p: Pass, row: Any, images: int) -> None:
    """Add to frames of the input what a pool's gradient sends there: to the first of the largest numbers, or to all."""
    frames, around, lanes = p.scratch.frames, p.scratch.around, p.lanes
    channels, (_, line, size) = row.outputs, _frame(row)
    grad, zero = p.scratch.seen, v.spread(p.scratch.seen.dtype.type(0), lanes)
    for c in range(0, channels, len(lanes)):
        for k in range(images):
            for i in range(row.out_height):
                for j in range(row.out_width):
                    at = k * size + i * row.stride * line + j * row.stride * channels + c
                    left = v.load(grad, ((k * row.out_height + i) * row.out_width + j) * channels + c, lanes)
                    if row.kind == MAX_POOL:
                        largest = _largest(frames, at, line, channels, lanes)
                    else:
                        left = v.multiply(left, v.spread(grad.dtype.type(_share(row, i, j)), lanes))
                        largest = zero
                    for n in range(WINDOW):
                        here, sent = _in_window(at, n, line, channels), left
                        if row.kind == MAX_POOL:
                            x = v.load(frames, here, lanes)
                            sent, left = v.where_equal(x, largest, left, zero), v.where_equal(x, largest, zero, left)
                        v.store(around, here, v.add(v.load(around, here, lanes), sent))


# sums of terms --------------------------------------------------------------------------------------------------------


@inlined
def _until(p: Pass, row: Any, start: int) -> tuple[int, int]:
    """The image of a pixel of a sum, and the pixel before which work on those from it on ends: masks are of images."""
    per_image, at_once = row.out_height * row.out_width, max(1, NUMBERS_AT_ONCE // (2 * row.outputs))
    image, end = start // per_image, min(p.images * per_image, start + at_once)
    return image, min(end, (image + 1) * per_image) if row.mask >= 0 else end


@inlined
def _add_term(p: Pass, t: Any, term: Any, mask: Any, at: int, to: int, channels: int, pixels: int, adds: bool) -> None:
    """Write or add a term, or its tangent."""
    times, lanes = v.spread(mask * p.factors[term.factor], p.lanes), p.lanes
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load_many(p.norms, 4 * term.channel + c, channels, v.TWO, lanes)
        along = times
        if t is not None:
            along = v.spread(mask * t.factors[term.factor], lanes)
        scale, shift = v.multiply(along, scale), v.multiply(along, shift)
        for q in range(c, c + pixels * channels, channels):
            total = v.multiply_add(v.load(p.values, at + q, lanes), scale, shift)
            if t is not None:  # noqa: SIM102 - known when compiling, the next is not
                if term.depends == 1:
                    total = v.multiply_add(times, v.load(t.values, at + q, lanes), total)
            if adds:
                total = v.add(v.load(p.out, to + q, lanes), total)
            v.store(p.out, to + q, total)


@inlined
def _add_product(p: Pass, g: Gradients, t: Any, term: Any, mask: Any, grad: int, to: int, count: int) -> None:
    """Write or add so many numbers of a gradient times a term's factor, or the tangent of that."""
    times, adds, lanes = v.spread(mask * p.factors[term.factor], p.lanes), g.written[term.x_gradient] == 1, p.lanes
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
    channels, pixels, start = row.outputs, p.images * row.out_height * row.out_width, 0
    if row.first_term == row.last_term:
        _fill(p.out[row.y * p.images :], pixels * channels, 0.0)
    while start < pixels:
        image, end = _until(p, row, start)
        for number in range(row.first_term, row.last_term):
            term, offset = terms[number], start * channels
            at, to, mask = term.y * p.images + offset, row.y * p.images + offset, _mask(p, term.mask, image)
            _add_term(p, t, term, mask, at, to, channels, end - start, number > row.first_term)
        start = end


@merged
def _sum_backward(p, g, t, terms, row, with_factors, with_all):  # type: ignore[no-untyped-def]
    """The sums that the gradients of the terms and their weights need, and the gradients of states that are terms."""
    channels, pixels, start = row.outputs, p.images * row.out_height * row.out_width, 0
    for number in range(row.first_term, row.last_term):
        _clear(p, terms[number].sums, channels)
    while start < pixels:
        image, end = _until(p, row, start)
        offset, count = start * channels, end - start
        grad = g.places[row.y_gradient] * p.images + offset
        for number in range(row.first_term, row.last_term):
            term = terms[number]
            at, mask = term.y * p.images + offset, _mask(p, term.mask, image)
            if with_factors or term.normed == 1:
                norms = 4 * term.channel + 2 * channels * term.normed
                _add_sums(p, g, t, term.sums, channels, mask, g.out, grad, at, norms, count)
            if term.x_gradient >= 0 and (term.depends == 1 or with_all):
                to = g.places[term.x_gradient] * p.images + offset
                _add_product(p, g, t, term, mask, grad, to, count * channels)
        start = end
    for number in range(row.first_term, row.last_term):
        term = terms[number]
        if term.x_gradient >= 0 and (term.depends == 1 or with_all):
            g.written[term.x_gradient] = 1
        for c in range(3 * term.sums + channels, 3 * term.sums + 2 * channels):
            g.factors[term.factor] += p.out_sums[c]
            if t is not None and term.depends == 1:
                g.factors[term.factor] += p.out_sums[c + channels]


@merged
def _state_sums(p, g, t, row):  # type: ignore[no-untyped-def]
    """The sums of the gradient of a row's output, to which several others have sent theirs."""
    channels, pixels, start = row.outputs, p.images * row.out_height * row.out_width, 0
    norms, one = 4 * row.channel + 2 * channels, p.values.dtype.type(1)
    _clear(p, row.channel, channels)
    while start < pixels:
        _, end = _until(p, row, start)
        grad, at = g.places[row.y_gradient] * p.images + start * channels, row.y * p.images + start * channels
        _add_sums(p, g, t, row.channel, channels, one, g.out, grad, at, norms, end - start)
        start = end


# a pass ---------------------------------------------------------------------------------------------------------------


@partial(compiled, makes_arrays=False)
def forward(
    rows: Array, first: int, last: int, terms: Array, p: Pass, t: Any, three: Any, five: Any, seven: Any, pools: Any
) -> None:
    """Run the rows from first to last - 1, or compute their tangents.

    `three`, `five` and `seven` are the taps of the kernels there are; of others None, and so is `pools` without pools.
    """
    for number in range(first, last):
        row = rows[number]
        if row.kind == SUM:
            _sum_forward(p, t, terms, row)
        elif row.depends == 1 or t is None:
            _clear(p, row.channel, row.outputs)
            if row.kind == POINTWISE:
                _pointwise_forward(p, t, row)
            else:
                _windows_forward(p, t, row, three, five, seven, pools)
            if row.running >= 0:
                if t is None:
                    _normalise(p, row)
                else:
                    _normalise_tangent(p, t, row)


@partial(compiled, makes_arrays=False)
def backward(
    rows: Array, ran: Array, terms: Array, p: Pass, g: Gradients, t: Any, with_factors: bool, with_all: bool,
    three: Any, five: Any, seven: Any, pools: Any,
) -> None:  # fmt: skip
    """Send the gradients of the outputs back through all rows, or their tangents.

    With `with_all` also through rows whose input does not depend on the factors. A row that no gradient reaches does
    not run; `ran` says which did.
    """
    for number in range(len(rows) - 1, -1, -1):
        row = rows[number]
        ran[number] = g.written[row.y_gradient] == 1 and (row.depends == 1 or with_all)
        if not ran[number]:
            continue
        if row.kind == SUM:
            _sum_backward(p, g, t, terms, row, with_factors, with_all)
            continue
        if row.state == 1:
            _state_sums(p, g, t, row)
        if row.x_summed == 1:
            _clear(p, row.x_channel, row.inputs)
        _norm_gradient(p, t, row)
        if row.kind == POINTWISE:
            _pointwise_backward(p, g, t, row)
        elif row.kind == SEPARABLE:
            _separable_backward(p, g, t, row, three, five, seven)
        elif pools is not None:
            _pool_backward(p, g, t, row)
        for part in range(row.parts):
            g.written[row.x_gradient + part] = 1
        if len(g.parameters) > 0 and row.gain >= 0:
            for c in range(row.outputs):
                factor, at = p.factors[row.factor], 3 * row.channel + c
                g.parameters[row.gain + c] = factor * p.sums[at + row.outputs]
                g.parameters[row.gain + row.outputs + c] = factor * p.sums[at]
