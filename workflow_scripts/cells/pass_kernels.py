"""The loops of single operations of a cell network, and of a whole pass over a table of them, compiled.

`pass_table.py` has the rows that they read, `compiled_pass.py` what they are called with. Images lie one after the
other, each its rows, a row its pixels, a pixel its channels. A loop goes through a few images at a time, or a few rows
of one, which stay in the cache; frames are images with a border. BatchNorm's output is never stored: what reads the
numbers y of a convolution reads `scale * y + shift` instead.

With tangents, the loops compute derivatives along a direction of the factors: of images, which are stored, and on the
way back of gradients, where parameters stay fixed.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.runtime import vectors as v
from workflow_scripts.runtime.compilation import compiled, inlined

Array = NDArray[Any]
POINTWISE, SEPARABLE, MAX_POOL, AVERAGE_POOL, SUM = range(5)
NUMBERS_AT_ONCE = 4096
# Compiled into the function that calls it. 0 is `row.kind - row.kind` there: for an argument that is a number written
# out numba compiles a function once more, and for a truth value too.
merged: Any = numba.njit(inline="always")


class Numbers(NamedTuple):
    """What a pass reads and writes; a channel is a place in the arrays of channels, from `Row.channel` on."""

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
    """in double precision, 2 for each channel: of a gradient, and of its product with what BatchNorm made"""
    epsilon: float
    """what BatchNorms add to variances"""


class Gradients(NamedTuple):
    """What a backward pass writes."""

    values: Array
    places: Array
    """of each gradient in `values`, by image"""
    written: Array
    """whether a gradient has been written to"""
    factors: Array
    """in double precision"""
    parameters: Array
    """empty where they are not asked for"""


class Tangents(NamedTuple):
    """Derivatives along a direction of the factors; all None in a pass that computes none."""

    values: Array
    """of the images, with BatchNorm but without its own scale, which there is none of"""
    along: Array
    """means over images and pixels of the product of a convolution's tangent with what BatchNorm made"""
    factors: Array
    sums: Array
    """3 for each channel, of the tangent of a gradient, its product with what BatchNorm made, and the gradient's
    product with the image's tangent; on the way forward the first two of the image's tangent"""
    gradients: Array


class Scratch(NamedTuple):
    """Small arrays that stay in the cache."""

    frames: Array
    """of inputs"""
    around: Array
    """frames of gradients; in a pool's pass of tangents, of these"""
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


@inlined
def _fill(array: Array, start: int, end: int, value: Any) -> None:
    for n in range(start, end):
        array[n] = value


@inlined
def _copy(target: Array, to: int, source: Array, start: int, count: int) -> None:
    for n in range(count):
        target[to + n] = source[start + n]


# convolutions ---------------------------------------------------------------------------------------------------------


@inlined
def _fill_frames(
    row: Any, images: int, frames: Array, padding: int, values: Array, at: int, norms: Array, moved: Any,
    rectified: bool, lanes: Any,
) -> None:  # fmt: skip
    """Write images into frames, their positive parts or all; or their tangents, where these parts are positive."""
    height, width, channels, first = row.height, row.width, row.inputs, 4 * row.x_channel
    line = (width + 2 * padding) * channels
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load(norms, first + c, lanes), v.load(norms, first + channels + c, lanes)
        for k in range(images):
            for i in range(height):
                source = at + (k * height + i) * width * channels + c
                target = (k * (height + 2 * padding) + padding + i) * line + padding * channels + c
                for j in range(0, width * channels, channels):
                    value = v.multiply_add(v.load(values, source + j, lanes), scale, shift)
                    written = value
                    if moved is not None:
                        written = v.load(moved, source + j, lanes)
                    if rectified:
                        written = v.where_positive(value, written)
                    v.store(frames, target + j, written)


@inlined
def _convolve(
    row: Any, images: int, out: Array, frames: Array, line: int, size: int, first: int, rows: int, width: int,
    stride: int, taps: Array, window: Any, lanes: Any,
) -> None:  # fmt: skip
    """The depthwise convolution's output rows from `first` on, of frames of that size."""
    channels, down, right = row.outputs, row.dilation * line, row.dilation * row.outputs
    pairs = (width - width % 2) * channels if stride == 1 and row.dilation == 1 else 0
    for c in range(0, channels, len(lanes)):
        weights = v.load_many(taps, c, channels, window, lanes)
        for k in range(images):
            for i in range(rows):
                at, to = k * size + (first + i) * stride * line + c, (k * rows + i) * width * channels + c
                for j in range(0, pairs, 2 * channels):
                    both = v.dot_windows(weights, frames, at + j, down, right, window[:2])
                    v.store_many(out, to + j, channels, both)
                for j in range(pairs, width * channels, channels):
                    one = v.dot_windows(weights, frames, at + j * stride, down, right, window[:1])
                    v.store_many(out, to + j, channels, one)


@inlined
def _add_tap_gradient(
    row: Any, images: int, sums: Array, grad: Array, frames: Array, line: int, size: int, first: int, rows: int,
    width: int, window: Any, lanes: Any,
) -> None:  # fmt: skip
    channels, stride, down, right = row.outputs, row.stride, row.dilation * line, row.dilation * row.outputs
    pairs = (width - width % 2) * channels if stride == 1 and row.dilation == 1 else 0
    for c in range(0, channels, len(lanes)):
        found = v.load_many(sums, c, channels, window, lanes)
        for k in range(images):
            for i in range(rows):
                at, source = k * size + (first + i) * stride * line + c, (k * rows + i) * width * channels + c
                for j in range(0, pairs, 2 * channels):
                    both = v.load_many(grad, source + j, channels, window[:2], lanes)
                    found = v.add_windows(found, both, frames, at + j, down, right)
                for j in range(pairs, width * channels, channels):
                    one = v.load_many(grad, source + j, channels, window[:1], lanes)
                    found = v.add_windows(found, one, frames, at + j * stride, down, right)
        v.store_many(sums, c, channels, found)


@inlined
def _write_rows(
    row: Any, images: int, frames: Array, padding: int, source: Array, first: int, rows: int, width: int, lanes: Any
) -> None:
    """Write rows of a gradient, from `first` on, into frames of the input: each pixel where the kernel's centre was."""
    channels, stride, line = row.outputs, row.stride, (row.width + 2 * padding) * row.outputs
    for k in range(images):
        for i in range(rows):
            to = (k * (row.height + 2 * padding) + (first + i) * stride + padding) * line + padding * channels
            for j in range(width):
                for c in range(0, channels, len(lanes)):
                    number = v.load(source, ((k * rows + i) * width + j) * channels + c, lanes)
                    v.store(frames, to + j * stride * channels + c, number)


@inlined
def _multiply(
    out: Array, to: int, out_step: int, x: Array, at: int, step: int, weights: Array, inputs: int, outputs: int,
    pixels: int, eight: Any, lanes: Any,
) -> None:  # fmt: skip
    """out (pixels, outputs) = x (pixels, inputs) times weights (inputs, outputs); steps are from pixel to pixel."""
    for c in range(0, outputs, len(lanes)):
        if inputs == 8:
            columns = v.load_many(weights, c, outputs, eight, lanes)
            for p in range(pixels):
                v.store(out, to + p * out_step + c, v.combine(columns, x, at + p * step))
        else:
            whole = pixels - pixels % 8
            for p in range(0, whole, 8):
                sums = v.zeros(x, eight, lanes)
                for k in range(inputs):
                    sums = v.add_outer(sums, x, at + p * step + k, step, v.load(weights, k * outputs + c, lanes))
                v.store_many(out, to + p * out_step + c, out_step, sums)
            for p in range(whole, pixels):
                total = v.spread(x.dtype.type(0), lanes)
                for k in range(inputs):
                    number = v.spread(x[at + p * step + k], lanes)
                    total = v.multiply_add(number, v.load(weights, k * outputs + c, lanes), total)
                v.store(out, to + p * out_step + c, total)


@inlined
def _add_products(
    sums: Array, grad: Array, start: int, step: int, x: Array, at: int, x_step: int, outputs: int, inputs: int,
    pixels: int, eight: Any, lanes: Any,
) -> None:  # fmt: skip
    """sums (outputs, inputs) += grad (pixels, outputs) transposed times x (pixels, inputs)."""
    for o in range(0, outputs, 8):
        for c in range(0, inputs, len(lanes)):
            found = v.load_many(sums, o * inputs + c, inputs, eight, lanes)
            for p in range(pixels):
                found = v.add_outer(found, grad, start + p * step + o, 1, v.load(x, at + p * x_step + c, lanes))
            v.store_many(sums, o * inputs + c, inputs, found)


@inlined
def _see(
    row: Any, images: int, first: int, rows: int, seen: Array, values: Array, norms: Array, moved: Any, lanes: Any
) -> None:
    """What a pointwise convolution sees, (pixels, stride * parts * inputs), of output rows `first` on of all images.

    A factorized reduction sees the pixels (2i, 2j) and (2i + 1, 2j + 1) side by side.
    """
    stride, channels, parts, place = row.stride, row.inputs, row.parts, 4 * row.x_channel
    step, width = stride * parts * channels, row.width // stride
    lines, across = (1, rows * width) if stride == 1 else (rows, width)
    for part in range(parts):
        for c in range(0, channels, len(lanes)):
            scale, shift = v.load(norms, place + c, lanes), v.load(norms, place + channels + c, lanes)
            for g in range(stride):
                for i in range(lines):
                    at = _pixel(row, images, part, first + i, g) + row.x * images + c
                    to = i * width * step + (g * parts + part) * channels + c
                    for j in range(across):
                        value = v.multiply_add(v.load(values, at + j * stride * channels, lanes), scale, shift)
                        written = value
                        if moved is not None:
                            written = v.load(moved, at + j * stride * channels, lanes)
                        v.store(seen, to + j * step, v.where_positive(value, written))


@inlined
def _pixel(row: Any, images: int, part: int, line: int, shifted: int) -> int:
    """The first pixel that a pointwise convolution's output line sees, from that of the first part on."""
    size, height = row.height * row.width * row.inputs, row.height // row.stride
    pixel = ((line % height) * row.stride + shifted) * row.width + shifted
    return part * size * images + line // height * size + pixel * row.inputs


@inlined
def _take_taps(taps: Array, row: Any, parameters: Array) -> None:
    """A kernel's taps, all channels of one after the other, and behind them in the opposite order."""
    count = row.kernel * row.kernel
    for c in range(row.outputs):
        for t in range(count):
            taps[t * row.outputs + c] = parameters[row.first + c * count + t]
            taps[(2 * count - 1 - t) * row.outputs + c] = parameters[row.first + c * count + t]


@inlined
def _take_weights(weights: Array, row: Any, parameters: Array, transposed: bool) -> None:
    """The matrices (outputs, inputs) of a row's pointwise convolutions, or their transposed."""
    inputs = row.parts * row.inputs
    pairs = 2 if row.kind == POINTWISE and row.stride == 2 else 1
    outputs = row.outputs // pairs
    for m in range(pairs):
        at = row.first if row.kind == POINTWISE and m == 0 else row.second
        for o in range(outputs):
            for k in range(inputs):
                to = k * outputs + o if transposed else o * inputs + k
                weights[m * outputs * inputs + to] = parameters[at + o * inputs + k]


# BatchNorm ------------------------------------------------------------------------------------------------------------


@inlined
def _near(near: Array, values: Array, at: int, pixels: int, channels: int) -> None:
    """The means of the first numbers of each channel."""
    for c in range(channels):
        near[c] = 0
    for p in range(at, at + pixels * channels, channels):
        for c in range(channels):
            near[c] += values[p + c]
    for c in range(channels):
        near[c] /= pixels


@inlined
def _add_moments(row: Any, values: Array, at: int, pixels: int, near: Array, sums: Array, lanes: Any) -> None:
    """Add to the sums those of numbers less others near their mean, and of squares."""
    channels, zero = row.outputs, v.spread(values.dtype.type(0), lanes)
    for c in range(0, channels, len(lanes)):
        close = v.load(near, c, lanes)
        plain, squares, more_plain, more_squares = zero, zero, zero, zero
        for p in range(at + c, at + c + (pixels - 1) * channels, 2 * channels):
            x = v.subtract(v.load(values, p, lanes), close)
            y = v.subtract(v.load(values, p + channels, lanes), close)
            plain, squares = v.add(plain, x), v.multiply_add(x, x, squares)
            more_plain, more_squares = v.add(more_plain, y), v.multiply_add(y, y, more_squares)
        if pixels % 2 == 1:
            x = v.subtract(v.load(values, at + c + (pixels - 1) * channels, lanes), close)
            plain, squares = v.add(plain, x), v.multiply_add(x, x, squares)
        v.add_to_doubles(sums, 2 * row.channel + c, v.add(plain, more_plain))
        v.add_to_doubles(sums, 2 * row.channel + channels + c, v.add(squares, more_squares))


@inlined
def _add_tangent_sums(
    row: Any, values: Array, at: int, pixels: int, norms: Array, moved: Array, sums: Array, lanes: Any
) -> None:
    """Add to the sums those of a tangent, and of its product with what BatchNorm made."""
    channels, zero, place = row.outputs, v.spread(values.dtype.type(0), lanes), 4 * row.channel + 2 * row.outputs
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load(norms, place + c, lanes), v.load(norms, place + channels + c, lanes)
        plain, along = zero, zero
        for p in range(at + c, at + c + pixels * channels, channels):
            tangent = v.load(moved, p, lanes)
            made = v.multiply_add(v.load(values, p, lanes), scale, shift)
            plain, along = v.add(plain, tangent), v.multiply_add(tangent, made, along)
        v.add_to_doubles(sums, 3 * row.channel + c, plain)
        v.add_to_doubles(sums, 3 * row.channel + channels + c, along)


@inlined
def _normalise(
    row: Any, count: int, near: Array, training: bool, momentum: float, epsilon: float, parameters: Array,
    running: Array, sums: Array, norms: Array,
) -> None:  # fmt: skip
    """The scale and shift by which BatchNorm acts on y, from the sums of y or from the running statistics."""
    channels, place, first = row.outputs, 2 * row.channel, 4 * row.channel
    for c in range(channels):
        here = row.running + c
        mean, variance = np.float64(running[here]), np.float64(running[here + channels])
        if training:
            beside = sums[place + c] / count
            mean, variance = near[c] + beside, sums[place + channels + c] / count - beside * beside
            if momentum > 0:
                running[here] += momentum * (mean - running[here])
                unbiased = variance * count / max(1, count - 1)
                running[here + channels] += momentum * (unbiased - running[here + channels])
        scale, gain, bias = 1 / np.sqrt(variance + epsilon), 1.0, 0.0
        if row.gain >= 0:
            gain, bias = np.float64(parameters[row.gain + c]), np.float64(parameters[row.gain + channels + c])
        norms[first + c], norms[first + channels + c] = gain * scale, bias - gain * mean * scale
        norms[first + 2 * channels + c], norms[first + 3 * channels + c] = scale, -mean * scale


@inlined
def _normalise_tangent(
    row: Any, count: int, at: int, values: Array, norms: Array, moved: Array, along: Array, sums: Array, level: Array,
    lanes: Any,
) -> None:  # fmt: skip
    """Turn the tangent dy of a convolution's output y into that of BatchNorm's, z: s (dy - mean(dy) - z mean(z dy))."""
    channels, place, first = row.outputs, 3 * row.channel, 4 * row.channel + 2 * row.outputs
    for c in range(channels):
        scale, shift = np.float64(norms[first + c]), np.float64(norms[first + channels + c])
        mean, product = sums[place + c] / count, sums[place + channels + c] / count
        along[row.channel + c] = product
        level[c], level[channels + c] = -scale * scale * product, -scale * (mean + product * shift)
    for c in range(0, channels, len(lanes)):
        scale = v.load(norms, first + c, lanes)
        slope, constant = v.load(level, c, lanes), v.load(level, channels + c, lanes)
        for p in range(at + c, at + c + count * channels, channels):
            rest = v.multiply_add(v.load(values, p, lanes), slope, constant)
            v.store(moved, p, v.multiply_add(v.load(moved, p, lanes), scale, rest))


@inlined
def _finish(
    row: Any, count: int, at: int, small: Array, training: bool, momentum: float, epsilon: float, parameters: Array,
    running: Array, sums: Array, norms: Array, values: Array, moved: Any, along: Any, moved_sums: Any, lanes: Any,
) -> None:  # fmt: skip
    """What a row does once its outputs and their sums are there."""
    if moved is None:
        _normalise(row, count, small, training, momentum, epsilon, parameters, running, sums, norms)
    else:
        _normalise_tangent(row, count, at, values, norms, moved, along, moved_sums, small, lanes)


@inlined
def _norm_gradient(
    row: Any, count: int, training: bool, out: Array, norms: Array, parameters: Array, sums: Array, factors: Array,
    along: Any, moved_sums: Any, moved_factors: Any,
) -> None:  # fmt: skip
    """The gradient of y as a sum of products, for each channel: of the output's gradient, y, 1.

    For its tangent: of the tangent of the output's gradient, y, 1, that gradient, the tangent of BatchNorm's output z.
    With f the gradient of z and s its scale the gradient is s (f - mean(f) - z mean(f z)), and ds = -s^2 mean(z dy).
    """
    channels, place, first = row.outputs, 2 * row.channel, 4 * row.channel + 2 * row.outputs
    factor = np.float64(factors[row.factor])
    for c in range(channels):
        scale, shift, gain, mean, along_z = 1.0, 0.0, 1.0, 0.0, 0.0
        if row.running >= 0:
            scale, shift = np.float64(norms[first + c]), np.float64(norms[first + channels + c])
            if training:
                mean, along_z = sums[place + c] / count, sums[place + channels + c] / count
            if row.gain >= 0:
                gain = np.float64(parameters[row.gain + c])
        out[c] = gain * scale * factor
        out[channels + c] = -gain * scale * scale * factor * along_z
        out[2 * channels + c] = -gain * scale * factor * (mean + shift * along_z)
        if along is not None:
            moved, product, tilt, level = np.float64(moved_factors[row.factor]), 0.0, 0.0, 0.0
            if row.running >= 0:
                product, at = along[row.channel + c], 3 * row.channel + c
                level = moved * mean + factor * moved_sums[at] / count
                tilt = moved * along_z + factor * (moved_sums[at + channels] + moved_sums[at + 2 * channels]) / count
            curve = scale * product * factor
            out[channels + c] = scale * scale * (curve * along_z - tilt)
            out[2 * channels + c] = scale * (curve * (mean + shift * along_z) - level - shift * tilt)
            out[3 * channels + c] = scale * (moved - curve)
            out[4 * channels + c] = -scale * factor * along_z


@inlined
def _take_norm_gradient(
    row: Any, images: int, start: int, pixels: int, per_image: int, out: Array, coefficients: Array, grads: Array,
    grad: int, values: Array, masks: Array, moved: Any, moved_grads: Any, lanes: Any,
) -> None:  # fmt: skip
    """Fill out (pixels, channels) with the gradient of y, or its tangent, from pixel `start` of all images on."""
    channels = row.outputs
    grad, y = grad + start * channels, row.y * images + start * channels
    p = 0
    while p < pixels:
        end, mask = pixels, out.dtype.type(1)
        if row.mask >= 0:
            image = (start + p) // per_image
            end, mask = min(pixels, (image + 1) * per_image - start), masks[row.mask * images + image]
        masked = v.spread(mask, lanes)
        for c in range(0, channels, len(lanes)):
            first = v.multiply(masked, v.load(coefficients, c, lanes))
            second, third = v.load(coefficients, channels + c, lanes), v.load(coefficients, 2 * channels + c, lanes)
            if moved is not None:
                fourth = v.multiply(masked, v.load(coefficients, 3 * channels + c, lanes))
                fifth = v.load(coefficients, 4 * channels + c, lanes)
            for q in range(p * channels + c, end * channels + c, channels):
                level = v.multiply_add(v.load(values, y + q, lanes), second, third)
                if moved is None:
                    v.store(out, q, v.multiply_add(v.load(grads, grad + q, lanes), first, level))
                else:
                    level = v.multiply_add(v.load(moved, y + q, lanes), fifth, level)
                    level = v.multiply_add(v.load(grads, grad + q, lanes), fourth, level)
                    v.store(out, q, v.multiply_add(v.load(moved_grads, grad + q, lanes), first, level))
        p = end


@inlined
def _add_gradient_sums(
    channel: int, mask: Any, grads: Array, grad: int, channels: int, pixels: int, values: Array, at: int, norms: Array,
    place: int, sums: Array, moved: Any, moved_grads: Any, moved_sums: Any, lanes: Any,
) -> None:  # fmt: skip
    """Add to sums from a channel on those of a gradient times a mask; the images' scale and shift are at `place`."""
    zero, masked = v.spread(values.dtype.type(0), lanes), v.spread(mask, lanes)
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load(norms, place + c, lanes), v.load(norms, place + channels + c, lanes)
        plain, along, tangent = zero, zero, zero
        for p in range(c, c + pixels * channels, channels):
            x = v.multiply_add(v.load(values, at + p, lanes), scale, shift)
            g = v.load(grads, grad + p, lanes)
            if moved is not None:
                tangent = v.multiply_add(g, v.load(moved, at + p, lanes), tangent)
                g = v.load(moved_grads, grad + p, lanes)
            plain, along = v.add(plain, g), v.multiply_add(g, x, along)
        if moved is None:
            v.add_to_doubles(sums, 2 * channel + c, v.multiply(masked, plain))
            v.add_to_doubles(sums, 2 * channel + channels + c, v.multiply(masked, along))
        else:
            v.add_to_doubles(moved_sums, 3 * channel + c, v.multiply(masked, plain))
            v.add_to_doubles(moved_sums, 3 * channel + channels + c, v.multiply(masked, along))
            v.add_to_doubles(moved_sums, 3 * channel + 2 * channels + c, v.multiply(masked, tangent))


@inlined
def _send(
    row: Any, target: Array, to: int, adds: bool, rectified: bool, source: Array, start: int, line: int, step: int,
    values: Array, at: int, norms: Array, pixel: int, height: int, width: int, grads: Array, sums: Array, moved: Any,
    moved_sums: Any, lanes: Any,
) -> None:  # fmt: skip
    """Write or add the gradient of an image, or of some of its pixels, where its positive part was read.

    Where nothing else reads the image, the sums that BatchNorm's gradient needs are added to those of its channels.
    """
    channels, place, zero = row.inputs, 4 * row.x_channel, v.spread(values.dtype.type(0), lanes)
    summed = row.x_summed == 1
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load(norms, place + c, lanes), v.load(norms, place + channels + c, lanes)
        made, made_shift = (
            v.load(norms, place + 2 * channels + c, lanes),
            v.load(norms, place + 3 * channels + c, lanes),
        )
        plain, along, tangent = zero, zero, zero
        for i in range(height):
            here, found = i * width * pixel + c, start + i * line + c
            for j in range(width):
                flowing = v.load(source, found + j * step, lanes)
                near = here + j * pixel
                x = v.load(values, at + near, lanes)
                if rectified:
                    flowing = v.where_positive(v.multiply_add(x, scale, shift), flowing)
                if summed:
                    plain = v.add(plain, flowing)
                    along = v.multiply_add(flowing, v.multiply_add(x, made, made_shift), along)
                    if moved is not None:
                        g = v.load(grads, to + near, lanes)
                        tangent = v.multiply_add(g, v.load(moved, at + near, lanes), tangent)
                if adds:
                    flowing = v.add(v.load(target, to + near, lanes), flowing)
                v.store(target, to + near, flowing)
        if summed:
            if moved is None:
                v.add_to_doubles(sums, 2 * row.x_channel + c, plain)
                v.add_to_doubles(sums, 2 * row.x_channel + channels + c, along)
            else:
                v.add_to_doubles(moved_sums, 3 * row.x_channel + c, plain)
                v.add_to_doubles(moved_sums, 3 * row.x_channel + channels + c, along)
                v.add_to_doubles(moved_sums, 3 * row.x_channel + 2 * channels + c, tangent)


# operations -----------------------------------------------------------------------------------------------------------


@inlined
def _count_moments(
    row: Any, images: int, start: int, pixels: int, training: bool, near: Array, values: Array, norms: Array,
    sums: Array, moved: Any, moved_sums: Any, lanes: Any,
) -> None:  # fmt: skip
    """Take what BatchNorm needs of some of a row's outputs, the first of them at pixel `start`."""
    at = row.y * images + start * row.outputs
    if row.running >= 0 and training:
        if moved is None:
            if start == 0:
                _near(near, values, at, pixels, row.outputs)
            _add_moments(row, values, at, pixels, near, sums, lanes)
        else:
            _add_tangent_sums(row, values, at, pixels, norms, moved, moved_sums, lanes)


@inlined
def _clear(channel: int, channels: int, sums: Array, moved_sums: Any) -> None:
    """Begin sums anew."""
    if moved_sums is None:
        _fill(sums, 2 * channel, 2 * (channel + channels), 0.0)
    else:
        _fill(moved_sums, 3 * channel, 3 * (channel + channels), 0.0)


@merged
def _separable_forward(row, images, numbers, scratch, training, out, tangents, window, eight, lanes):  # type: ignore[no-untyped-def]
    channels, stride, padding = row.outputs, row.stride, row.dilation * (row.kernel - 1) // 2
    height, width = 1 + (row.height - 1) // stride, 1 + (row.width - 1) // stride
    line, pixels_in = (row.width + 2 * padding) * channels, row.height * row.width
    size, none = (row.height + 2 * padding) * line, row.kind - row.kind
    rows = max(1, min(height, NUMBERS_AT_ONCE // (width * channels)))
    together = max(1, NUMBERS_AT_ONCE // (2 * pixels_in * channels)) if rows == height else 1
    _fill(scratch.frames, none, together * size, numbers.values.dtype.type(0))
    _take_taps(scratch.taps, row, numbers.parameters)
    _take_weights(scratch.weights, row, numbers.parameters, row.kind >= 0)
    for image in range(0, images, together):
        some = min(together, images - image)
        _fill_frames(
            row, some, scratch.frames, padding, numbers.values, row.x * images + image * pixels_in * channels,
            numbers.norms, tangents.values, row.kind < MAX_POOL, lanes,
        )  # fmt: skip
        for first in range(0, height, rows):
            count = min(rows, height - first)
            _convolve(
                row, some, scratch.seen, scratch.frames, line, size, first, count, width, stride, scratch.taps, window,
                lanes,
            )  # fmt: skip
            start, pixels = (image * height + first) * width, some * count * width
            _multiply(
                out, row.y * images + start * channels, channels, scratch.seen, none, channels, scratch.weights,
                channels, channels, pixels, eight, lanes,
            )  # fmt: skip
            _count_moments(
            row, images, start, pixels, training, scratch.channels, numbers.values, numbers.norms, numbers.sums,
            tangents.values, tangents.sums, lanes,
        )  # fmt: skip


@merged
def _separable_backward(row, images, numbers, gradients, scratch, target, tangents, window, eight, lanes):  # type: ignore[no-untyped-def]
    channels, stride, padding = row.outputs, row.stride, row.dilation * (row.kernel - 1) // 2
    height, width = 1 + (row.height - 1) // stride, 1 + (row.width - 1) // stride
    line, numbers_in = (row.width + 2 * padding) * channels, row.height * row.width * channels
    size, none, zero = (row.height + 2 * padding) * line, row.kind - row.kind, numbers.values.dtype.type(0)
    taps_end = row.kernel * row.kernel * channels
    turned, products, with_weights = scratch.taps[taps_end:], scratch.products[taps_end:], len(gradients.parameters) > 0
    adds = gradients.written[row.x_gradient] == 1
    rows = max(1, min(height, NUMBERS_AT_ONCE // (width * channels)))
    rows_in = max(1, min(row.height, NUMBERS_AT_ONCE // (row.width * channels)))
    together = max(1, NUMBERS_AT_ONCE // (2 * numbers_in)) if rows == height else 1
    _fill(scratch.around, none, together * size, zero)
    _fill(scratch.frames, none, together * size, zero)
    _fill(scratch.products, none, taps_end + channels * channels, zero)
    _take_taps(scratch.taps, row, numbers.parameters)
    _take_weights(scratch.weights, row, numbers.parameters, row.kind < 0)
    for image in range(0, images, together):
        some, at = min(together, images - image), row.x * images + image * numbers_in
        to = gradients.places[row.x_gradient] * images + image * numbers_in
        if with_weights:
            _fill_frames(
                row, some, scratch.frames, padding, numbers.values, at, numbers.norms, None, row.kind < MAX_POOL, lanes
            )
        for first in range(0, height, rows):
            count = min(rows, height - first)
            pixels = some * count * width
            _take_norm_gradient(
                row, images, (image * height + first) * width, pixels, height * width, scratch.seen, scratch.channels,
                gradients.values, gradients.places[row.y_gradient] * images, numbers.values, numbers.masks,
                tangents.values, tangents.gradients, lanes,
            )  # fmt: skip
            _multiply(
                scratch.between, none, channels, scratch.seen, none, channels, scratch.weights, channels, channels,
                pixels, eight, lanes,
            )  # fmt: skip
            if with_weights:
                _convolve(
                    row, some, scratch.spatial, scratch.frames, line, size, first, count, width, stride, scratch.taps,
                    window, lanes,
                )  # fmt: skip
                _add_products(
                    products, scratch.seen, none, channels, scratch.spatial, none, channels, channels, channels,
                    pixels, eight, lanes,
                )  # fmt: skip
                _add_tap_gradient(
                    row, some, scratch.products, scratch.between, scratch.frames, line, size, first, count, width,
                    window, lanes,
                )  # fmt: skip
            _write_rows(row, some, scratch.around, padding, scratch.between, first, count, width, lanes)
        for first in range(0, row.height, rows_in):  # the same convolution with its kernel turned round
            count, from_ = min(rows_in, row.height - first), first * row.width * channels
            _convolve(
                row, some, scratch.between, scratch.around, line, size, first, count, row.width, stride // stride,
                turned, window, lanes,
            )  # fmt: skip
            _send(
                row, target, to + from_, adds, row.kind < MAX_POOL, scratch.between, none, row.width * channels,
                channels, numbers.values, at + from_, numbers.norms, channels, some * count, row.width,
                gradients.values, numbers.sums, tangents.values, tangents.sums, lanes,
            )  # fmt: skip
    if with_weights:
        for c in range(channels):
            for t in range(row.kernel * row.kernel):
                gradients.parameters[row.first + c * row.kernel * row.kernel + t] = scratch.products[t * channels + c]
        _copy(gradients.parameters, row.second, products, none, channels * channels)


@merged
def _pointwise_forward(row, images, numbers, scratch, training, out, tangents, eight, lanes):  # type: ignore[no-untyped-def]
    inputs, stride, width = row.parts * row.inputs, row.stride, row.width // row.stride
    outputs, all_rows = row.outputs // stride, images * (row.height // stride)
    _take_weights(scratch.weights, row, numbers.parameters, row.kind >= 0)
    rows = max(1, NUMBERS_AT_ONCE // (width * max(stride * inputs, row.outputs)))
    for first in range(0, all_rows, rows):
        some = min(rows, all_rows - first)
        start, pixels = first * width, some * width
        _see(row, images, first, some, scratch.seen, numbers.values, numbers.norms, tangents.values, lanes)
        for g in range(stride):
            _multiply(
                out, row.y * images + start * row.outputs + g * outputs, row.outputs, scratch.seen, g * inputs,
                stride * inputs, scratch.weights[g * outputs * inputs :], inputs, outputs, pixels, eight, lanes,
            )  # fmt: skip
        _count_moments(
            row, images, start, pixels, training, scratch.channels, numbers.values, numbers.norms, numbers.sums,
            tangents.values, tangents.sums, lanes,
        )  # fmt: skip


@merged
def _pointwise_backward(row, images, numbers, gradients, scratch, target, tangents, eight, lanes):  # type: ignore[no-untyped-def]
    inputs, stride, width = row.parts * row.inputs, row.stride, row.width // row.stride
    height, size, step = row.height // stride, row.height * row.width * row.inputs, row.stride * row.parts * row.inputs
    outputs, all_rows, with_weights = row.outputs // stride, images * height, len(gradients.parameters) > 0
    adds = gradients.written[row.x_gradient] == 1
    _take_weights(scratch.weights, row, numbers.parameters, row.kind < 0)
    _fill(scratch.products, row.kind - row.kind, row.outputs * inputs, numbers.values.dtype.type(0))
    if stride == 2 and not adds:
        for part in range(row.parts):
            at = gradients.places[row.x_gradient + part] * images
            _fill(target, at, at + images * size, numbers.values.dtype.type(0))
        adds = True
    rows = max(1, NUMBERS_AT_ONCE // (width * max(step, row.outputs)))
    for first in range(0, all_rows, rows):
        some = min(rows, all_rows - first)
        start, pixels = first * width, some * width
        _take_norm_gradient(
            row, images, start, pixels, height * width, scratch.between, scratch.channels, gradients.values,
            gradients.places[row.y_gradient] * images, numbers.values, numbers.masks, tangents.values,
            tangents.gradients, lanes,
        )  # fmt: skip
        if with_weights:
            _see(row, images, first, some, scratch.seen, numbers.values, numbers.norms, None, lanes)
        for g in range(stride):
            matrix = g * outputs * inputs
            if with_weights:
                _add_products(
                    scratch.products[matrix:], scratch.between, g * outputs, row.outputs, scratch.seen, g * inputs,
                    step, outputs, inputs, pixels, eight, lanes,
                )  # fmt: skip
            _multiply(
                scratch.seen, g * inputs, step, scratch.between, g * outputs, row.outputs, scratch.weights[matrix:],
                outputs, inputs, pixels, eight, lanes,
            )  # fmt: skip
        lines, across = (1, pixels) if stride == 1 else (some, width)
        for part in range(row.parts):
            for g in range(stride):
                for i in range(lines):
                    pixel = _pixel(row, images, part, first + i, g)
                    to = gradients.places[row.x_gradient + part] * images
                    to += pixel - part * size * images
                    found = i * width * step + (g * row.parts + part) * row.inputs
                    _send(
                        row, target, to, adds, row.kind < MAX_POOL, scratch.seen, found, step, step, numbers.values,
                        row.x * images + pixel, numbers.norms, stride * row.inputs, row.kernel, across,
                        gradients.values, numbers.sums, tangents.values, tangents.sums, lanes,
                    )  # fmt: skip
    if with_weights:
        for g in range(stride):
            at, matrix = row.first if g == 0 else row.second, g * outputs * inputs
            _copy(gradients.parameters, at, scratch.products, matrix, outputs * inputs)


@merged
def _pool_forward(row, images, numbers, scratch, training, out, tangents, window, lanes):  # type: ignore[no-untyped-def]
    height, width = 1 + (row.height - 1) // row.stride, 1 + (row.width - 1) // row.stride
    pixels_in, size = row.height * row.width, (row.height + 2) * (row.width + 2) * row.outputs
    none, one, rows = row.kind - row.kind, numbers.values.dtype.type(1), NUMBERS_AT_ONCE // (row.width * row.outputs)
    together = max(1, rows // row.height)
    _fill(scratch.frames, none, together * size, -np.inf * one if row.kind == MAX_POOL else 0 * one)
    _fill(scratch.around, none, together * size, 0 * one)
    _fill(scratch.taps, none, 9 * row.outputs, one)
    for image in range(0, images, together):
        some, start = min(together, images - image), image * height * width
        _pool(
            row, some, out, row.y * images + start * row.outputs, scratch.frames, scratch.around, row.kernel // 2,
            numbers.values, row.x * images + image * pixels_in * row.outputs, numbers.norms, scratch.taps,
            tangents.values, window, lanes,
        )  # fmt: skip
        _count_moments(
            row, images, start, some * height * width, training, scratch.channels, numbers.values, numbers.norms,
            numbers.sums, tangents.values, tangents.sums, lanes,
        )  # fmt: skip


@inlined
def _pool(
    row: Any, images: int, out: Array, to: int, frames: Array, other: Array, padding: int, values: Array, at: int,
    norms: Array, ones: Array, moved: Any, window: Any, lanes: Any,
) -> None:  # fmt: skip
    """The largest number or the mean of the pixels of each window; or the tangent of that."""
    channels, stride, line = row.outputs, row.stride, (row.width + 2) * row.outputs
    height, width, rectified = 1 + (row.height - 1) // stride, 1 + (row.width - 1) // stride, row.kind < MAX_POOL
    _fill_frames(row, images, frames, padding, values, at, norms, None, rectified, lanes)
    if moved is not None:
        _fill_frames(row, images, other, padding, values, at, norms, moved, rectified, lanes)
    for c in range(0, channels, len(lanes)):
        taps = v.load_many(ones, c, channels, window, lanes)
        for k in range(images):
            for i in range(height):
                for j in range(width):
                    here = (k * (row.height + 2) + i * stride) * line + j * stride * channels + c
                    place = to + ((k * height + i) * width + j) * channels + c
                    if row.kind == AVERAGE_POOL:
                        (mean,) = v.dot_windows(
                            taps, frames if moved is None else other, here, line, channels, window[:1]
                        )
                        share = v.spread(out.dtype.type(_share(row, i, j)), lanes)
                        v.store(out, place, v.multiply(share, mean))
                    elif moved is None:
                        v.store(out, place, v.window_maximum(frames, here, line, channels, window, lanes))
                    else:
                        v.store(out, place, v.at_maximum(other, frames, here, line, channels, window, lanes))


@inlined
def _share(row: Any, i: int, j: int) -> float:
    """One over the number of pixels of a pool's window that are in the image."""
    top, left = i * row.stride - 1, j * row.stride - 1
    return 1 / ((min(top + 3, row.height) - max(top, 0)) * (min(left + 3, row.width) - max(left, 0)))


@merged
def _pool_backward(row, images, numbers, gradients, scratch, target, tangents, window, lanes):  # type: ignore[no-untyped-def]
    height, width = 1 + (row.height - 1) // row.stride, 1 + (row.width - 1) // row.stride
    numbers_in, line = row.height * row.width * row.outputs, (row.width + 2) * row.outputs
    none, one, together = row.kind - row.kind, numbers.values.dtype.type(1), max(1, NUMBERS_AT_ONCE // numbers_in)
    adds, size = gradients.written[row.x_gradient] == 1, (row.height + 2) * line
    _fill(scratch.frames, none, together * size, -np.inf * one)
    _fill(scratch.taps, none, 9 * row.outputs, one)
    for image in range(0, images, together):
        some, at = min(together, images - image), row.x * images + image * numbers_in
        _fill(scratch.around, none, some * size, 0 * one)
        _fill_frames(
            row, some, scratch.frames, row.kernel // 2, numbers.values, at, numbers.norms, None, row.kind < MAX_POOL,
            lanes,
        )  # fmt: skip
        _take_norm_gradient(
            row, images, image * height * width, some * height * width, height * width, scratch.seen,
            scratch.channels, gradients.values, gradients.places[row.y_gradient] * images, numbers.values,
            numbers.masks, tangents.values, tangents.gradients, lanes,
        )  # fmt: skip
        _pool_back(row, some, scratch.around, scratch.frames, line, size, scratch.seen, scratch.taps, window, lanes)
        for k in range(some):
            to = gradients.places[row.x_gradient] * images + (image + k) * numbers_in
            _send(
                row, target, to, adds, row.kind < MAX_POOL, scratch.around, k * size + line + row.outputs, line,
                row.outputs, numbers.values, at + k * numbers_in, numbers.norms, row.outputs, row.height, row.width,
                gradients.values, numbers.sums, tangents.values, tangents.sums, lanes,
            )  # fmt: skip


@inlined
def _pool_back(
    row: Any, images: int, around: Array, frames: Array, line: int, size: int, grad: Array, ones: Array, window: Any,
    lanes: Any,
) -> None:  # fmt: skip
    """Add to frames of the input what a pool's gradient sends there."""
    channels, stride = row.outputs, row.stride
    height, width = 1 + (row.height - 1) // stride, 1 + (row.width - 1) // stride
    for c in range(0, channels, len(lanes)):
        taps = v.load_many(ones, c, channels, window, lanes)
        for k in range(images):
            for i in range(height):
                for j in range(width):
                    at = k * size + i * stride * line + j * stride * channels + c
                    g = v.load(grad, ((k * height + i) * width + j) * channels + c, lanes)
                    if row.kind == MAX_POOL:
                        v.spread_to_maximum(around, g, frames, at, line, channels, window)
                    else:
                        share = v.spread(grad.dtype.type(_share(row, i, j)), lanes)
                        v.spread_window(taps, v.multiply(g, share), around, at, line, channels)


# sums of terms --------------------------------------------------------------------------------------------------------


@inlined
def _add_term(
    term: Any, out: Array, to: int, values: Array, at: int, norms: Array, mask: Any, factors: Array, channels: int,
    pixels: int, adds: bool, moved: Any, moved_factors: Any, lanes: Any,
) -> None:  # fmt: skip
    """Write or add a term, or its tangent."""
    place, times = 4 * term.channel, v.spread(mask * factors[term.factor], lanes)
    for c in range(0, channels, len(lanes)):
        scale, shift = v.load(norms, place + c, lanes), v.load(norms, place + channels + c, lanes)
        along = times
        if moved is not None:
            along = v.spread(mask * moved_factors[term.factor], lanes)
        scale, shift = v.multiply(along, scale), v.multiply(along, shift)
        for p in range(c, c + pixels * channels, channels):
            total = v.multiply_add(v.load(values, at + p, lanes), scale, shift)
            if moved is not None:  # noqa: SIM102 - known when compiling, the next is not
                if term.depends == 1:
                    total = v.multiply_add(times, v.load(moved, at + p, lanes), total)
            if adds:
                total = v.add(v.load(out, to + p, lanes), total)
            v.store(out, to + p, total)


@inlined
def _add_product(
    term: Any, out: Array, to: int, grads: Array, grad: int, mask: Any, factors: Array, numbers: int, adds: bool,
    moved_grads: Any, moved_factors: Any, lanes: Any,
) -> None:  # fmt: skip
    """Write or add a gradient times a term's factor, or the tangent of that."""
    times = v.spread(mask * factors[term.factor], lanes)
    for n in range(0, numbers, len(lanes)):
        if moved_grads is None:
            sent = v.multiply(times, v.load(grads, grad + n, lanes))
        else:
            along = v.spread(mask * moved_factors[term.factor], lanes)
            sent = v.multiply(along, v.load(grads, grad + n, lanes))
            sent = v.multiply_add(times, v.load(moved_grads, grad + n, lanes), sent)
        if adds:
            sent = v.add(v.load(out, to + n, lanes), sent)
        v.store(out, to + n, sent)


@inlined
def _add_along(term: Any, channels: int, of_factors: Array, sums: Array, moved_sums: Any) -> None:
    """Add to the gradient of a term's factor, or to its tangent."""
    for c in range(channels):
        if moved_sums is None:
            of_factors[term.factor] += sums[2 * term.sums + channels + c]
        else:
            at = 3 * term.sums + channels + c
            of_factors[term.factor] += moved_sums[at]
            if term.depends == 1:
                of_factors[term.factor] += moved_sums[at + channels]


@merged
def _sum_forward(row, terms, images, numbers, out, tangents, lanes):  # type: ignore[no-untyped-def]
    channels, per_image, start = row.outputs, row.height * row.width, 0
    pixels, at_once = images * per_image, max(1, NUMBERS_AT_ONCE // (2 * channels))
    if row.first_term == row.last_term:
        _fill(out, row.y * images, (row.y + per_image * channels) * images, numbers.values.dtype.type(0))
    while start < pixels:
        image, end = start // per_image, min(pixels, start + at_once)
        if row.mask >= 0:
            end = min(end, (image + 1) * per_image)
        for number in range(row.first_term, row.last_term):
            term, mask = terms[number], numbers.values.dtype.type(1)
            if term.mask >= 0:
                mask = numbers.masks[term.mask * images + image]
            _add_term(
                term, out, row.y * images + start * channels, numbers.values, term.y * images + start * channels,
                numbers.norms, mask, numbers.factors, channels, end - start, number > row.first_term, tangents.values,
                tangents.factors, lanes,
            )  # fmt: skip
        start = end


@merged
def _sum_backward(row, terms, images, numbers, gradients, target, with_factors, with_all, tangents, lanes):  # type: ignore[no-untyped-def]
    """The sums that the gradients of the terms and their weights need, and the gradients of states that are terms."""
    channels, per_image, start = row.outputs, row.height * row.width, 0
    pixels, at_once = images * per_image, max(1, NUMBERS_AT_ONCE // (2 * channels))
    for number in range(row.first_term, row.last_term):
        _clear(terms[number].sums, channels, numbers.sums, tangents.sums)
    while start < pixels:
        image, end = start // per_image, min(pixels, start + at_once)
        if row.mask >= 0:
            end = min(end, (image + 1) * per_image)
        grad, count = gradients.places[row.y_gradient] * images + start * channels, end - start
        for number in range(row.first_term, row.last_term):
            term, mask = terms[number], numbers.values.dtype.type(1)
            if term.mask >= 0:
                mask = numbers.masks[term.mask * images + image]
            if with_factors or term.normed == 1:
                _add_gradient_sums(
                    term.sums, mask, gradients.values, grad, channels, count, numbers.values,
                    term.y * images + start * channels, numbers.norms, 4 * term.channel + 2 * channels * term.normed,
                    numbers.sums, tangents.values, tangents.gradients, tangents.sums, lanes,
                )  # fmt: skip
            if term.x_gradient >= 0 and (term.depends == 1 or with_all):
                _add_product(
                    term, target, gradients.places[term.x_gradient] * images + start * channels, gradients.values,
                    grad, mask, numbers.factors, count * channels, gradients.written[term.x_gradient] == 1,
                    tangents.gradients, tangents.factors, lanes,
                )  # fmt: skip
        start = end
    for number in range(row.first_term, row.last_term):
        term = terms[number]
        if term.x_gradient >= 0 and (term.depends == 1 or with_all):
            gradients.written[term.x_gradient] = 1
        _add_along(term, channels, gradients.factors, numbers.sums, tangents.sums)


@merged
def _state_sums(row, images, numbers, gradients, tangents, lanes):  # type: ignore[no-untyped-def]
    """The sums of the gradient of a row's output, to which several others have sent theirs."""
    pixels = images * (row.height // row.stride) * (row.width // row.stride)
    grad, at_once = gradients.places[row.y_gradient] * images, max(1, NUMBERS_AT_ONCE // (2 * row.outputs))
    _clear(row.channel, row.outputs, numbers.sums, tangents.sums)
    for start in range(0, pixels, at_once):
        _add_gradient_sums(
            row.channel, numbers.values.dtype.type(1), gradients.values, grad + start * row.outputs, row.outputs,
            min(at_once, pixels - start), numbers.values, row.y * images + start * row.outputs, numbers.norms,
            4 * row.channel + 2 * row.outputs, numbers.sums, tangents.values, tangents.gradients, tangents.sums, lanes,
        )  # fmt: skip


# a pass ---------------------------------------------------------------------------------------------------------------


@compiled
def forward(
    rows: Array, first: int, last: int, terms: Array, images: int, numbers: Numbers, scratch: Scratch, training: bool,
    momentum: float, out: Array, tangents: Tangents, three: Any, five: Any, seven: Any, pool: Any, eight: Any,
    lanes: Any,
) -> None:  # fmt: skip
    """Run the rows from first to last - 1, or compute their tangents; `out` is the array of the values or of these.

    `training`: BatchNorm uses the statistics of the batch, and with a momentum above 0 moves the running ones. `three`,
    `five`, `seven` and `pool` are the taps of the windows there are, None for others; `eight` and `lanes` are tuples.
    """
    for number in range(first, last):
        row = rows[number]
        if row.kind == SUM:
            _sum_forward(row, terms, images, numbers, out, tangents, lanes)
            continue
        if row.depends == 0 and tangents.values is not None:
            continue
        _clear(row.channel, row.outputs, numbers.sums, tangents.sums)
        if row.kind == POINTWISE:
            _pointwise_forward(row, images, numbers, scratch, training, out, tangents, eight, lanes)
        elif row.kind != SEPARABLE:
            if pool is not None:
                _pool_forward(row, images, numbers, scratch, training, out, tangents, pool, lanes)
        elif row.kernel == 3:
            if three is not None:
                _separable_forward(row, images, numbers, scratch, training, out, tangents, three, eight, lanes)
        elif row.kernel == 5:
            if five is not None:
                _separable_forward(row, images, numbers, scratch, training, out, tangents, five, eight, lanes)
        elif seven is not None:
            _separable_forward(row, images, numbers, scratch, training, out, tangents, seven, eight, lanes)
        if row.running >= 0:
            count = images * (1 + (row.height - 1) // row.stride) * (1 + (row.width - 1) // row.stride)
            _finish(
                row, count, row.y * images, scratch.channels, training, momentum, numbers.epsilon, numbers.parameters,
                numbers.running, numbers.sums, numbers.norms, numbers.values, tangents.values, tangents.along,
                tangents.sums, lanes,
            )  # fmt: skip


@compiled
def backward(
    rows: Array, ran: Array, terms: Array, images: int, numbers: Numbers, gradients: Gradients, scratch: Scratch,
    training: bool, with_factors: bool, with_all: bool, target: Array, tangents: Tangents, three: Any, five: Any,
    seven: Any, pool: Any, eight: Any, lanes: Any,
) -> None:  # fmt: skip
    """Send the gradients of the outputs back through all rows, or their tangents; `target` is the array of these.

    With `with_all` also through rows whose input does not depend on the factors. A row that no gradient reaches does
    not run; `ran` says which did.
    """
    for number in range(len(rows) - 1, -1, -1):
        row = rows[number]
        ran[number] = gradients.written[row.y_gradient] == 1 and (row.depends == 1 or with_all)
        if not ran[number]:
            continue
        if row.kind == SUM:
            _sum_backward(row, terms, images, numbers, gradients, target, with_factors, with_all, tangents, lanes)
            continue
        if row.state == 1:
            _state_sums(row, images, numbers, gradients, tangents, lanes)
        if row.x_summed == 1:
            _clear(row.x_channel, row.inputs, numbers.sums, tangents.sums)
        count = images * (1 + (row.height - 1) // row.stride) * (1 + (row.width - 1) // row.stride)
        _norm_gradient(
            row, count, training, scratch.channels, numbers.norms, numbers.parameters, numbers.sums, numbers.factors,
            tangents.along, tangents.sums, tangents.factors,
        )  # fmt: skip
        if row.kind == POINTWISE:
            _pointwise_backward(row, images, numbers, gradients, scratch, target, tangents, eight, lanes)
        elif row.kind != SEPARABLE:
            if pool is not None:
                _pool_backward(row, images, numbers, gradients, scratch, target, tangents, pool, lanes)
        elif row.kernel == 3:
            if three is not None:
                _separable_backward(row, images, numbers, gradients, scratch, target, tangents, three, eight, lanes)
        elif row.kernel == 5:
            if five is not None:
                _separable_backward(row, images, numbers, gradients, scratch, target, tangents, five, eight, lanes)
        elif seven is not None:
            _separable_backward(row, images, numbers, gradients, scratch, target, tangents, seven, eight, lanes)
        for part in range(row.parts):
            gradients.written[row.x_gradient + part] = 1
        if len(gradients.parameters) > 0 and row.gain >= 0:
            for c in range(row.outputs):
                factor, at = numbers.factors[row.factor], 2 * row.channel + c
                gradients.parameters[row.gain + c] = factor * numbers.sums[at + row.outputs]
                gradients.parameters[row.gain + row.outputs + c] = factor * numbers.sums[at]
