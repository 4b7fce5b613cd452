"""The loops of a separable convolution in training on a CPU, compiled; `node_sum.py` puts them together.

One block of such an operation is ReLU, depthwise convolution, pointwise convolution, BatchNorm with batch statistics.
Loops go through a few images at a time, which stay in the cache, and are compiled for one shape: with sizes that it
knows, the compiler turns them into vector instructions. An image is its rows one after the other, a row its pixels, a
pixel its channels, all in one line of numbers (h * w * C,); a frame is an image with its border of zeros. What belongs
to a channel is repeated along a row of pixels, (w * C,).

BatchNorm's output is never stored: it is `scale * y + shift` per channel of what the convolutions made, y.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.runtime.compilation import compiled, inlined

Array = NDArray[Any]
NUMBERS_AT_ONCE = 16384  # of the images that go through a pass together


class BlockShape(NamedTuple):
    """A block: its input (height, width, channels) and its depthwise kernel, padded to keep the size at stride 1."""

    height: int
    width: int
    channels: int
    kernel: int
    stride: int
    dilation: int


class Loops(NamedTuple):
    """The compiled passes of one block of an operation, whose output y is (n, height * width * C').

    An input x (n, hwC) represents the images scale * x + shift, both (C,), and normal_scale * x + normal_shift is what
    BatchNorm made of them before its own scale. The weights of a block are two matrices: a depthwise (C, k^2) and a
    pointwise convolution (C', C); or a pointwise one and an empty one (0, C); or the two pointwise ones (C' / 2, C) of
    a factorized reduction, the second on the shifted pixels.

    `forward(x, scale, shift, *weights, epsilon, y, tangent)` fills y with the convolutions of the images' positive part
    and returns what BatchNorm multiplies y by and what it adds, and the mean and variance (2, C') of y. Where `tangent`
    (n, hwC) is not empty, y is filled with the convolutions of what it is where the images are positive, and is 0
    elsewhere: the derivative along the tangent.

    `backward(grad, mask, sums, gain, y, normal_scale, normal_shift, x, scale, shift, normal_scale, normal_shift,
    *weights, grad_x, add, *grad_weights)`, where the first normal_scale and normal_shift belong to y: the gradient of
    the output is grad * mask (n,), that of what BatchNorm made is gain (C',) times as large, and `sums` (2, C') are the
    sums of the first and of its product with what BatchNorm made. Writes, or with `add` adds, the gradient of the
    images to grad_x, where that is not empty; fills the gradients of the weights, where they are not empty. Returns the
    sums of grad_x, for the block before.
    """

    height: int
    width: int
    channels: int
    forward: Callable[..., tuple[Array, Array, Array]]
    backward: Callable[..., Array]


@cache
def separable_loops(shape: BlockShape) -> Loops:
    """The loops of a separable convolution, compiled for its shape at their first call and kept on disk."""
    height, width, channels, kernel, stride, dilation = shape
    padding = dilation * (kernel - 1) // 2
    height_out, width_out = 1 + (height - 1) // stride, 1 + (width - 1) // stride
    line, line_out = width * channels, width_out * channels
    frame_line = (width + 2 * padding) * channels
    frame_size = (height + 2 * padding) * frame_line
    around_line = (width_out + 2 * padding) * channels  # of a frame of the output
    around_size = (height_out + 2 * padding) * around_line
    positions = height_out * width_out
    at_once = max(1, NUMBERS_AT_ONCE // (positions * channels))

    @compiled
    def forward(
        x: Array,
        scale: Array,
        shift: Array,
        depthwise: Array,
        pointwise: Array,
        epsilon: float,
        y: Array,
        tangent: Array,
    ) -> tuple[Array, Array, Array]:
        taps, transposed = _along_rows(depthwise.T, width_out), np.ascontiguousarray(pointwise.T)
        row_scale, row_shift = _along_row(scale, width), _along_row(shift, width)
        frame = np.zeros(frame_size, x.dtype)
        spatial = np.empty((at_once * positions, channels), x.dtype)
        near = np.zeros(line_out, x.dtype)  # a number near the mean, so that squares are of small numbers
        plain, squares = np.zeros((2, line_out), x.dtype)
        for start in range(0, len(x), at_once):
            some = min(at_once, len(x) - start)
            for k in range(some):
                image = x[start + k]
                if len(tangent) == 0:
                    _frame_positive(frame, image, row_scale, row_shift, height, line, padding, frame_line, channels)
                else:
                    _frame_tangent(
                        frame,
                        tangent[start + k],
                        image,
                        row_scale,
                        row_shift,
                        height,
                        line,
                        padding,
                        frame_line,
                        channels,
                    )
                result = spatial[k * positions : (k + 1) * positions].reshape(-1)
                _convolve(result, frame, taps, height_out, width_out, channels, kernel, stride, dilation, frame_line)
            product = y[start : start + some].reshape(some * positions, channels)
            np.dot(spatial[: some * positions], transposed, product)
            if start == 0:
                near = _along_row(_mean_pixel(product), width_out)
            for k in range(start, start + some):
                _add_to_moments(plain, squares, y[k], near, height_out, line_out)
        return _normalised(near[:channels], plain, squares, len(x) * positions, epsilon)

    @compiled
    def backward(
        grad: Array,
        mask: Array,
        sums: Array,
        gain: Array,
        y: Array,
        y_scale: Array,
        y_shift: Array,
        x: Array,
        scale: Array,
        shift: Array,
        normal_scale: Array,
        normal_shift: Array,
        depthwise: Array,
        pointwise: Array,
        grad_x: Array,
        add: bool,
        grad_depthwise: Array,
        grad_pointwise: Array,
    ) -> Array:
        with_x, with_weights = len(grad_x) > 0, len(grad_depthwise) > 0
        slope, level, tilt = _norm_factors(sums / (len(x) * positions), gain, y_scale, y_shift, width_out)
        taps, flipped_taps = _along_rows(depthwise.T, width_out), _along_rows(depthwise.T[::-1], width_out)
        row_scale, row_shift = _along_row(scale, width), _along_row(shift, width)
        row_normal_scale, row_normal_shift = _along_row(normal_scale, width), _along_row(normal_shift, width)
        frame, around = np.zeros(frame_size, x.dtype), np.zeros(around_size, x.dtype)
        grad_conv = np.empty((at_once * positions, channels), x.dtype)
        spatial = np.empty_like(grad_conv)
        before = np.empty(height * line, x.dtype)
        tap_sums = np.zeros(kernel * kernel * line_out, x.dtype)
        part = np.empty((channels, channels), x.dtype)
        pointwise_sum = np.zeros_like(part)
        before_plain, before_along = np.zeros((2, line), x.dtype)
        for start in range(0, len(x), at_once):
            some = min(at_once, len(x) - start)
            for k in range(some):
                result = grad_conv[k * positions : (k + 1) * positions].reshape(-1)
                _norm_backward(
                    result, grad[start + k], mask[start + k], y[start + k], slope, level, tilt, height_out, line_out
                )
            flat, between = grad_conv[: some * positions], spatial[: some * positions]
            if with_weights:
                for k in range(some):
                    image = x[start + k]
                    _frame_positive(frame, image, row_scale, row_shift, height, line, padding, frame_line, channels)
                    result = spatial[k * positions : (k + 1) * positions].reshape(-1)
                    _convolve(
                        result, frame, taps, height_out, width_out, channels, kernel, stride, dilation, frame_line
                    )
                np.dot(flat.T, between, part)
                pointwise_sum += part
            np.dot(flat, pointwise, between)  # from here on the gradient of the depthwise convolution's output
            for k in range(some):
                g, image = spatial[k * positions : (k + 1) * positions].reshape(-1), x[start + k]
                if with_weights:
                    if at_once > 1:
                        _frame_positive(frame, image, row_scale, row_shift, height, line, padding, frame_line, channels)
                    _add_tap_gradient(
                        tap_sums, g, frame, height_out, width_out, channels, kernel, stride, dilation, frame_line
                    )
                if with_x:
                    _frame(around, g, height_out, line_out, padding, around_line, channels)
                    if stride == 1:  # the same convolution with its kernel turned round
                        _convolve(
                            before, around, flipped_taps, height, width, channels, kernel, 1, dilation, around_line
                        )
                    else:
                        _spread(before, around, taps, height, width, channels, kernel, dilation, around_line, line_out)
                    result = grad_x[start + k]
                    if add:  # a state that others have sent a gradient to: nothing comes before it here
                        for i in range(height):
                            for n in range(line):
                                at = i * line + n
                                result[at] += 0 if image[at] <= 0 else before[at]
                    else:
                        for i in range(height):
                            for n in range(line):
                                at = i * line + n
                                value = row_scale[n] * image[at] + row_shift[n]
                                flowing = 0 if value <= 0 else before[at]
                                result[at] = flowing
                                before_plain[n] += flowing
                                before_along[n] += flowing * (row_normal_scale[n] * image[at] + row_normal_shift[n])
        if with_weights:
            for t in range(kernel * kernel):
                grad_depthwise[:, t] = _by_channel(tap_sums[t * line_out : (t + 1) * line_out], channels)
            grad_pointwise[:] = pointwise_sum
        before_sums = np.empty((2, channels))
        before_sums[0], before_sums[1] = _by_channel(before_plain, channels), _by_channel(before_along, channels)
        return before_sums

    return Loops(height_out, width_out, channels, forward, backward)


@cache
def pointwise_loops(height: int, width: int, channels: int, stride: int) -> Loops:
    """The loops of a pointwise convolution to `channels` channels.

    With stride 2, of two: what a factorized reduction sees, the pixels (2i, 2j) and (2i + 1, 2j + 1), side by side.
    """
    height, width = height // stride, width // stride
    forward = partial(_pointwise_forward, height, width, stride)
    return Loops(height, width, channels, forward, partial(_pointwise_backward, height, width, stride))


@compiled
def _pointwise_forward(
    height: int,
    width: int,
    stride: int,
    x: Array,
    scale: Array,
    shift: Array,
    pointwise: Array,
    shifted: Array,
    epsilon: float,
    y: Array,
    tangent: Array,
) -> tuple[Array, Array, Array]:
    weights = _side_by_side(pointwise, shifted)
    positions, channels = height * width, weights.shape[1]
    at_once = max(1, NUMBERS_AT_ONCE // (positions * len(weights)))
    row_scale, row_shift = _along_row(scale, width * stride), _along_row(shift, width * stride)
    seen = np.empty((at_once * positions, len(weights)), x.dtype)
    line = width * channels
    near = np.zeros(line, x.dtype)
    plain, squares = np.zeros((2, line), x.dtype)
    for start in range(0, len(x), at_once):
        some = min(at_once, len(x) - start)
        for k in range(some):
            values = tangent[start + k] if len(tangent) > 0 else x[start + k]
            pixels = seen[k * positions : (k + 1) * positions]
            _see_positive(pixels, values, x[start + k], row_scale, row_shift, width, stride, len(tangent) > 0)
        product = y[start : start + some].reshape(some * positions, channels)
        np.dot(seen[: some * positions], weights, product)
        if start == 0:
            near = _along_row(_mean_pixel(product), width)
        for k in range(start, start + some):
            _add_to_moments(plain, squares, y[k], near, height, line)
    return _normalised(near[:channels], plain, squares, len(x) * positions, epsilon)


@compiled
def _pointwise_backward(
    height: int,
    width: int,
    stride: int,
    grad: Array,
    mask: Array,
    sums: Array,
    gain: Array,
    y: Array,
    y_scale: Array,
    y_shift: Array,
    x: Array,
    scale: Array,
    shift: Array,
    normal_scale: Array,
    normal_shift: Array,
    pointwise: Array,
    shifted: Array,
    grad_x: Array,
    add: bool,
    grad_pointwise: Array,
    grad_shifted: Array,
) -> Array:
    with_x, with_weights = len(grad_x) > 0, len(grad_pointwise) > 0
    weights = _side_by_side(pointwise, shifted)
    positions, channels = height * width, weights.shape[1]
    at_once = max(1, NUMBERS_AT_ONCE // (positions * len(weights)))
    line, inputs = width * channels, len(scale)
    slope, level, tilt = _norm_factors(sums / (len(x) * positions), gain, y_scale, y_shift, width)
    row_scale, row_shift = _along_row(scale, width * stride), _along_row(shift, width * stride)
    seen = np.empty((at_once * positions, len(weights)), x.dtype)
    grad_conv = np.empty((at_once * positions, channels), x.dtype)
    part, grad_weights = np.empty_like(weights), np.zeros_like(weights)
    transposed = np.ascontiguousarray(weights.T)
    for start in range(0, len(x), at_once):
        some = min(at_once, len(x) - start)
        for k in range(some):
            result = grad_conv[k * positions : (k + 1) * positions].reshape(-1)
            _norm_backward(result, grad[start + k], mask[start + k], y[start + k], slope, level, tilt, height, line)
        flat, around = grad_conv[: some * positions], seen[: some * positions]
        if with_weights:
            for k in range(some):
                pixels = seen[k * positions : (k + 1) * positions]
                _see_positive(pixels, x[start + k], x[start + k], row_scale, row_shift, width, stride, False)
            np.dot(around.T, flat, part)
            grad_weights += part
        if with_x:
            np.dot(flat, transposed, around)
            for k in range(some):
                pixels = seen[k * positions : (k + 1) * positions].reshape(-1)
                target, image = grad_x[start + k], x[start + k]
                if stride == 1:
                    for i in range(height):
                        for n in range(len(row_scale)):
                            at = i * len(row_scale) + n
                            before = target[at] if add else x.dtype.type(0)
                            value = row_scale[n] * image[at] + row_shift[n]
                            target[at] = before + (0 if value <= 0 else pixels[at])
                    continue
                if not add:
                    target[:] = 0
                for i in range(height):
                    for g in range(stride):
                        line_seen = (i * stride + g) * len(row_scale)
                        for j in range(width):
                            at = line_seen + (j * stride + g) * inputs
                            pixel_start = ((i * width + j) * stride + g) * inputs
                            target_pixel, image_pixel = target[at : at + inputs], image[at : at + inputs]
                            pixel_grad = pixels[pixel_start : pixel_start + inputs]
                            for c in range(inputs):
                                value = scale[c] * image_pixel[c] + shift[c]
                                target_pixel[c] += 0 if value <= 0 else pixel_grad[c]
    if with_weights:
        grad_pointwise[:] = grad_weights[:inputs, : len(pointwise)].T
        if len(shifted) > 0:
            grad_shifted[:] = grad_weights[inputs:, len(pointwise) :].T
    return sums


@compiled
def _side_by_side(pointwise: Array, shifted: Array) -> Array:
    """One matrix for one pointwise convolution, or for two that see their own pixels: (C or 2C, C')."""
    if len(shifted) == 0:
        return np.ascontiguousarray(pointwise.T)
    inputs, outputs = pointwise.shape[1], len(pointwise)
    matrix = np.zeros((2 * inputs, 2 * outputs), pointwise.dtype)
    matrix[:inputs, :outputs] = pointwise.T
    matrix[inputs:, outputs:] = shifted.T
    return matrix


@compiled
def _along_row(values: Array, width: int) -> Array:
    """Values (C,) repeated for each pixel of a row: (width * C,)."""
    channels = len(values)
    row = np.empty(width * channels, values.dtype)
    for j in range(width):
        for c in range(channels):
            row[j * channels + c] = values[c]
    return row


@compiled
def _along_rows(taps: Array, width: int) -> Array:
    """Taps (k^2, C) as (k^2 * width * C,), each repeated along a row."""
    count, channels = taps.shape
    rows = np.empty(count * width * channels, taps.dtype)
    for t in range(count):
        for j in range(width):
            for c in range(channels):
                rows[(t * width + j) * channels + c] = taps[t, c]
    return rows


@compiled
def _by_channel(row: Array, channels: int) -> Array:
    """The sums (C,), in double precision, of a row (w * C,)."""
    sums = np.zeros(channels)
    for j in range(len(row) // channels):
        for c in range(channels):
            sums[c] += row[j * channels + c]
    return sums


@compiled
def _mean_pixel(pixels: Array) -> Array:
    """The mean (C,) of pixels (count, C)."""
    total = np.zeros(pixels.shape[1])
    for i in range(len(pixels)):
        for c in range(pixels.shape[1]):
            total[c] += pixels[i, c]
    return (total / len(pixels)).astype(pixels.dtype)


@inlined
def _add_to_moments(plain: Array, squares: Array, image: Array, near: Array, height: int, line: int) -> None:
    """Add the rows of an image, less numbers near their mean, to plain, and their squares to squares."""
    for i in range(height):
        for n in range(line):
            value = image[i * line + n] - near[n]
            plain[n] += value
            squares[n] += value * value


@compiled
def _normalised(near: Array, plain: Array, squares: Array, count: int, epsilon: float) -> tuple[Array, Array, Array]:
    """What BatchNorm multiplies by and adds, (C,), and the mean and variance, of `count` numbers for each channel."""
    channels = len(near)
    moments = np.empty((2, channels))
    offset = _by_channel(plain, channels) / count
    moments[0] = near + offset
    moments[1] = _by_channel(squares, channels) / count - offset * offset
    scale = 1 / np.sqrt(moments[1] + epsilon)
    return scale.astype(near.dtype), (-moments[0] * scale).astype(near.dtype), moments


@compiled
def _norm_factors(means: Array, gain: Array, scale: Array, shift: Array, width: int) -> tuple[Array, Array, Array]:
    """slope, level and tilt of `_norm_backward`, (w * C,).

    `means` (2, C) are those of the gradient and of its product with what BatchNorm made, scale * y + shift.
    """
    level = (means[0] + means[1] * shift).astype(scale.dtype)
    tilt = (means[1] * scale).astype(scale.dtype)
    return _along_row(gain * scale, width), _along_row(level, width), _along_row(tilt, width)


@inlined
def _norm_backward(
    out: Array, grad: Array, mask: float, y: Array, slope: Array, level: Array, tilt: Array, height: int, line: int
) -> None:
    """out = slope * (mask * grad - level - tilt * y), row by row."""
    for i in range(height):
        for n in range(line):
            at = i * line + n
            out[at] = slope[n] * (mask * grad[at] - level[n] - y[at] * tilt[n])


@inlined
def _see_positive(
    pixels: Array, tangent: Array, image: Array, scale: Array, shift: Array, width: int, stride: int, derived: bool
) -> None:
    """Fill pixels (h * w, stride * C) with what a pointwise convolution sees of the positive part of an image.

    Or, `derived`, of its derivative along a tangent.
    """
    flat = pixels.reshape(-1)
    inputs = len(scale) // (width * stride)
    for i in range(len(pixels) // width):
        for g in range(stride):
            start = (i * stride + g) * width * stride * inputs
            if stride == 1:
                for n in range(width * inputs):
                    value = scale[n] * image[start + n] + shift[n]
                    flat[start + n] = 0 if value <= 0 else (tangent[start + n] if derived else value)
            else:
                for j in range(width):
                    at = start + (j * stride + g) * inputs
                    pixel_start = ((i * width + j) * stride + g) * inputs
                    for c in range(inputs):
                        value = scale[c] * image[at + c] + shift[c]
                        flat[pixel_start + c] = 0 if value <= 0 else (tangent[at + c] if derived else value)


@inlined
def _frame_positive(
    frame: Array,
    image: Array,
    scale: Array,
    shift: Array,
    height: int,
    line: int,
    padding: int,
    frame_line: int,
    channels: int,
) -> None:
    """Frame the positive part of scale * image + shift.

    Not-a-number passes on, so that a search that diverged is seen.
    """
    for i in range(height):
        target = (padding + i) * frame_line + padding * channels
        for n in range(line):
            value = scale[n] * image[i * line + n] + shift[n]
            frame[target + n] = 0 if value <= 0 else value


@inlined
def _frame_tangent(
    frame: Array,
    tangent: Array,
    image: Array,
    scale: Array,
    shift: Array,
    height: int,
    line: int,
    padding: int,
    frame_line: int,
    channels: int,
) -> None:
    """Frame the derivative of the positive part of scale * image + shift along a tangent."""
    for i in range(height):
        target = (padding + i) * frame_line + padding * channels
        for n in range(line):
            value = scale[n] * image[i * line + n] + shift[n]
            frame[target + n] = 0 if value <= 0 else tangent[i * line + n]


@inlined
def _frame(frame: Array, image: Array, height: int, line: int, padding: int, frame_line: int, channels: int) -> None:
    """Write an image into a frame."""
    for i in range(height):
        target = (padding + i) * frame_line + padding * channels
        for n in range(line):
            frame[target + n] = image[i * line + n]


@inlined
def _convolve(
    out: Array,
    frame: Array,
    weights: Array,
    height: int,
    width: int,
    channels: int,
    kernel: int,
    stride: int,
    dilation: int,
    frame_line: int,
) -> None:
    """Fill out (height, width, C) with the depthwise convolution of a frame; weights as from `_along_rows`."""
    line = width * channels
    rows_at_once = kernel if kernel == 3 else 1  # rows of a kernel; with more than nine taps a loop is slow
    for i in range(height):
        for block in range(0, kernel, rows_at_once):
            if stride == 1:
                for n in range(line):
                    total = out[i * line + n] if block > 0 else out.dtype.type(0)
                    for a in range(rows_at_once):
                        row = (i + (block + a) * dilation) * frame_line
                        for b in range(kernel):
                            weight = weights[((block + a) * kernel + b) * line + n]
                            total += weight * frame[row + b * dilation * channels + n]
                    out[i * line + n] = total
            else:
                for j in range(width):
                    for c in range(channels):
                        at = i * line + j * channels + c
                        total = out[at] if block > 0 else out.dtype.type(0)
                        for a in range(rows_at_once):
                            row = (i * stride + (block + a) * dilation) * frame_line
                            for b in range(kernel):
                                weight = weights[((block + a) * kernel + b) * line + c]
                                total += weight * frame[row + (j * stride + b * dilation) * channels + c]
                        out[at] = total


@inlined
def _add_tap_gradient(
    sums: Array,
    grad: Array,
    frame: Array,
    height: int,
    width: int,
    channels: int,
    kernel: int,
    stride: int,
    dilation: int,
    frame_line: int,
) -> None:
    """Add to sums, as from `_along_rows`, the gradient of the taps for a gradient of the convolution's output."""
    line = width * channels
    lines_at_once = 4 if height % 4 == 0 else 2 if height % 2 == 0 else 1
    for a in range(kernel):
        for i in range(0, height, lines_at_once):
            if stride == 1:
                for n in range(line):
                    for b in range(kernel):
                        total = sums[(a * kernel + b) * line + n]
                        for r in range(lines_at_once):
                            row = (i + r + a * dilation) * frame_line
                            total += grad[(i + r) * line + n] * frame[row + b * dilation * channels + n]
                        sums[(a * kernel + b) * line + n] = total
            else:
                for j in range(width):
                    for c in range(channels):
                        n = j * channels + c
                        for b in range(kernel):
                            total = sums[(a * kernel + b) * line + n]
                            for r in range(lines_at_once):
                                row = ((i + r) * stride + a * dilation) * frame_line
                                seen = frame[row + (j * stride + b * dilation) * channels + c]
                                total += grad[(i + r) * line + n] * seen
                            sums[(a * kernel + b) * line + n] = total


@inlined
def _spread(
    out: Array,
    around: Array,
    weights: Array,
    height: int,
    width: int,
    channels: int,
    kernel: int,
    dilation: int,
    around_line: int,
    line_weights: int,
) -> None:
    """Fill out (height, width, C) with the gradient of a convolution's input at stride 2; `around` frames its output's.

    An input pixel is seen by the taps of its own parity.
    """
    padding = dilation * (kernel - 1) // 2
    line = width * channels
    for y in range(height):
        for n in range(line):
            out[y * line + n] = 0
        for a in range(kernel):
            if (y + padding - a * dilation) % 2 == 0:
                row = ((y + padding - a * dilation) // 2 + padding) * around_line
                out_row = out[y * line : (y + 1) * line]
                taps = weights[a * kernel * line_weights : (a + 1) * kernel * line_weights]
                _spread_columns(out_row, around, taps, 0, width, channels, kernel, dilation, row, line_weights)
                _spread_columns(out_row, around, taps, 1, width, channels, kernel, dilation, row, line_weights)


@inlined
def _spread_columns(
    out: Array,
    around: Array,
    weights: Array,
    parity: int,
    width: int,
    channels: int,
    kernel: int,
    dilation: int,
    row: int,
    line_weights: int,
) -> None:
    """Add to every second pixel of a row what a row of taps sends there."""
    padding = dilation * (kernel - 1) // 2
    for j in range((width - parity + 1) // 2):
        for c in range(channels):
            at = (2 * j + parity) * channels + c
            total = out[at]
            for b in range(kernel):
                if (parity + padding - b * dilation) % 2 == 0:
                    shift = (parity + padding - b * dilation) // 2 + padding
                    total += weights[b * line_weights + c] * around[row + (j + shift) * channels + c]
            out[at] = total


@compiled
def add_scaled(total: Array, y: Array, scale: Array, shift: Array, mask: Array, width: int) -> None:
    """total += (scale * y + shift) * mask (n,), scale and shift (C,); both arrays (n, hwC)."""
    row_scale, row_shift = _along_row(scale, width), _along_row(shift, width)
    line = len(row_scale)
    for k in range(len(total)):
        for i in range(0, total.shape[1], line):
            target, source = total[k, i : i + line], y[k, i : i + line]
            for n in range(line):
                target[n] += mask[k] * (row_scale[n] * source[n] + row_shift[n])


@compiled
def sums_of(grad: Array, mask: Array, y: Array, scale: Array, shift: Array, width: int) -> Array:
    """The sums over images and pixels, (2, C), of grad * mask (n,) and of its product with scale * y + shift."""
    row_scale, row_shift = _along_row(scale, width), _along_row(shift, width)
    plain, along = np.zeros_like(row_scale), np.zeros_like(row_scale)
    line = len(row_scale)
    for k in range(len(grad)):
        for i in range(0, grad.shape[1], line):
            g, values = grad[k, i : i + line], y[k, i : i + line]
            for n in range(line):
                scaled = mask[k] * g[n]
                plain[n] += scaled
                along[n] += scaled * (row_scale[n] * values[n] + row_shift[n])
    channels = len(scale)
    sums = np.empty((2, channels))
    sums[0] = _by_channel(plain, channels)
    sums[1] = _by_channel(along, channels)
    return sums


@compiled
def add_product(total: Array, add: bool, grad: Array, mask: Array) -> None:
    """Write, or add, grad * mask (n,) to total; both arrays (n, hwC)."""
    for k in range(len(total)):
        target, source = total[k], grad[k]
        if add:
            for n in range(len(source)):
                target[n] += mask[k] * source[n]
        else:
            for n in range(len(source)):
                target[n] = mask[k] * source[n]


@compiled
def combined(grad: Array, mask: Array, first: Array, second: Array, third: Array, factors: Array, width: int) -> Array:
    """factors[0] + factors[1] * mask (n,) * grad + factors[2] * first + ..., the factors (5, C), all else (n, hwC)."""
    level, grad_factor = _along_row(factors[0], width), _along_row(factors[1], width)
    first_factor, second_factor, third_factor = (
        _along_row(factors[2], width),
        _along_row(factors[3], width),
        _along_row(factors[4], width),
    )
    out = np.empty_like(grad)
    line = len(level)
    for k in range(len(out)):
        for i in range(0, out.shape[1], line):
            target, a, b = out[k, i : i + line], grad[k, i : i + line], first[k, i : i + line]
            c, d = second[k, i : i + line], third[k, i : i + line]
            for n in range(line):
                target[n] = (
                    level[n]
                    + grad_factor[n] * mask[k] * a[n]
                    + first_factor[n] * b[n]
                    + second_factor[n] * c[n]
                    + third_factor[n] * d[n]
                )
    return out


@compiled
def tangent_sums(tangent: Array, y: Array, scale: Array, shift: Array, grad: Array, width: int) -> Array:
    """The sums over images and pixels, (3, C), of a tangent and its products with scale * y + shift and with grad."""
    row_scale, row_shift = _along_row(scale, width), _along_row(shift, width)
    plain, along, with_grad = np.zeros_like(row_scale), np.zeros_like(row_scale), np.zeros_like(row_scale)
    line, channels = len(row_scale), len(scale)
    for k in range(len(y)):
        for i in range(0, y.shape[1], line):
            t, values, g = tangent[k, i : i + line], y[k, i : i + line], grad[k, i : i + line]
            for n in range(line):
                plain[n] += t[n]
                along[n] += t[n] * (row_scale[n] * values[n] + row_shift[n])
                with_grad[n] += t[n] * g[n]
    sums = np.empty((3, channels))
    sums[0], sums[1], sums[2] = (
        _by_channel(plain, channels),
        _by_channel(along, channels),
        _by_channel(with_grad, channels),
    )
    return sums


@compiled
def track(mean: Array, variance: Array, moments: Array, count: int, momentum: float) -> None:
    """Move running statistics towards the mean and variance (2, C) of `count` numbers, as torch does."""
    for c in range(len(mean)):
        mean[c] += momentum * (moments[0, c] - mean[c])
        variance[c] += momentum * (moments[1, c] * count / max(1, count - 1) - variance[c])
