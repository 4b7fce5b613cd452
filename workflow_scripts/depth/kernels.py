"""The epochs of a fully connected depth network as one compiled program; `compiled.py` calls it.

Arrays hold one point per column, so that the inner loops run over points: a state is (width, points). All parameters
lie in one vector, from which `_views` takes them; so do their gradients and momenta. Matrix products are BLAS's, and so
are long sums: products with ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.runtime.compilation import compiled

Array = NDArray[Any]
NetworkShape = tuple[int, int, int, int]  # features, width, classes, depth

EPSILON = 1e-5  # added to a variance by torch.nn.BatchNorm1d
STATISTICS_MOMENTUM = 0.1  # of torch.nn.BatchNorm1d
POINTS_PER_PASS = 256  # of a pass in evaluation mode, so that its arrays stay in the cache


@compiled
def _views(vector: Array, shape: NetworkShape) -> tuple[Array, ...]:
    """The parameters in a vector, as views of it, in torch's shapes.

    Input weight (W, F) and bias, head weight (K, W) and bias; of all blocks weight (D, W, W), bias, scale and shift
    (D, W); and q's parameter (D+1,), which a DDN lacks.
    """
    features, width, classes, depth = shape
    ends = np.cumsum(
        np.array([width * features, width, classes * width, classes, depth * width * width] + [depth * width] * 3)
    )
    return (
        vector[: ends[0]].reshape(width, features),
        vector[ends[0] : ends[1]],
        vector[ends[1] : ends[2]].reshape(classes, width),
        vector[ends[2] : ends[3]],
        vector[ends[3] : ends[4]].reshape(depth, width, width),
        vector[ends[4] : ends[5]].reshape(depth, width),
        vector[ends[5] : ends[6]].reshape(depth, width),
        vector[ends[6] : ends[7]].reshape(depth, width),
        vector[ends[7] :],
    )


@compiled
def _posterior(q_logits: Array, depth: int) -> Array:
    """q (D+1,): softmax of its parameter, or one-hot at D."""
    q = np.zeros(depth + 1, q_logits.dtype)
    if len(q_logits) == 0:
        q[depth] = 1
        return q
    q[:] = np.exp(q_logits - q_logits.max())
    return q / q.sum()


@compiled
def _add_bias(rows: Array, bias: Array) -> None:
    for j in range(len(rows)):
        row, b = rows[j], bias[j]
        for n in range(len(row)):
            row[n] += b


@compiled
def _softmax(logits: Array, y: Array) -> float:
    """Turn logits (K, N) into probabilities, in place; returns the sum of the cross entropies."""
    classes, points = logits.shape
    total = 0.0
    for n in range(points):
        largest = logits[0, n]
        for k in range(1, classes):
            # not-a-number passes on, so that a run that diverged is seen
            if not logits[k, n] <= largest:
                largest = logits[k, n]
        true_class_logit = logits[y[n], n] - largest
        norm = logits.dtype.type(0)
        for k in range(classes):
            logits[k, n] = np.exp(logits[k, n] - largest)
            norm += logits[k, n]
        for k in range(classes):
            logits[k, n] /= norm
        total += np.log(norm) - true_class_logit
    return total


@compiled
def _add_log_likelihood(likelihood: Array, log_weight: float, logits: Array, y: Array) -> None:
    """likelihood (N,) becomes the log of its exponential plus weight times the true class's probability."""
    classes, points = logits.shape
    for n in range(points):
        largest = logits[:, n].max()
        norm = 0.0
        for k in range(classes):
            norm += np.exp(np.float64(logits[k, n]) - largest)
        term = log_weight + logits[y[n], n] - largest - np.log(norm)
        likelihood[n] = np.logaddexp(likelihood[n], term)


@compiled
def _add_scaled(out: Array, weight: float, rows: Array) -> None:
    for k in range(len(out)):
        target, row = out[k], rows[k]
        for n in range(len(row)):
            target[n] += weight * row[n]


@compiled
def _count_wrong(mixture: Array, y: Array) -> int:
    classes, points = mixture.shape
    wrong = 0
    for n in range(points):
        best = 0
        for k in range(1, classes):
            if mixture[k, n] > mixture[best, n]:
                best = k
        wrong += best != y[n]
    return wrong


@compiled
def _block_forward(
    state: Array,
    weight: Array,
    bias: Array,
    scale: Array,
    shift: Array,
    running_mean: Array,
    running_var: Array,
    rectified: Array,
    means: Array,
    inverses: Array,
    following: Array,
    ones: Array,
    sums: Array,
) -> None:
    """One residual block in training mode; keeps what its gradient needs and updates the running statistics."""
    width, points = state.shape
    keep = state.dtype.type(1 - STATISTICS_MOMENTUM)
    take = state.dtype.type(STATISTICS_MOMENTUM)
    np.dot(weight, state, rectified)
    for j in range(width):
        row, b = rectified[j], bias[j]
        for n in range(points):
            value = row[n] + b
            row[n] = state.dtype.type(0) if value < 0 else value
    np.dot(rectified, ones, means)
    for j in range(width):
        means[j] /= points
        row, mean, square = rectified[j], means[j], following[j]
        for n in range(points):
            square[n] = (row[n] - mean) * (row[n] - mean)
    np.dot(following, ones, sums)
    for j in range(width):
        mean, squares = means[j], sums[j]
        inverse = state.dtype.type(1) / np.sqrt(squares / points + state.dtype.type(EPSILON))
        running_mean[j] = keep * running_mean[j] + take * mean
        running_var[j] = keep * running_var[j] + take * (squares / (points - 1))
        inverses[j] = inverse
        factor, offset = scale[j] * inverse, shift[j] - mean * scale[j] * inverse
        before, row, after = state[j], rectified[j], following[j]
        for n in range(points):
            after[n] = before[n] + factor * row[n] + offset


@compiled
def _block_backward(
    state: Array,
    weight: Array,
    scale: Array,
    rectified: Array,
    means: Array,
    inverses: Array,
    upstream: Array,
    inner: Array,
    product: Array,
    d_weight: Array,
    d_bias: Array,
    d_scale: Array,
    d_shift: Array,
    ones: Array,
) -> None:
    """The block's gradients, written to the d_ arrays; `upstream` (W, N) becomes the gradient of the block's input."""
    width, points = state.shape
    zero = state.dtype.type(0)
    np.dot(upstream, ones, d_shift)
    for j in range(width):
        gradient, row, into, mean = upstream[j], rectified[j], inner[j], means[j]
        for n in range(points):
            into[n] = gradient[n] * (row[n] - mean)
    np.dot(inner, ones, d_scale)
    for j in range(width):
        d_scale[j] *= inverses[j]
        gradient, row, into = upstream[j], rectified[j], inner[j]
        mean, factor = means[j], scale[j] * inverses[j]
        constant, slope = d_shift[j] / points, d_scale[j] * inverses[j] / points
        for n in range(points):
            value = factor * (gradient[n] - constant - slope * (row[n] - mean))
            into[n] = value if row[n] > 0 else zero
    np.dot(inner, ones, d_bias)
    np.dot(inner, state.T, d_weight)
    np.dot(weight.T, inner, product)
    for j in range(width):
        gradient, row = upstream[j], product[j]
        for n in range(points):
            gradient[n] += row[n]


@compiled
def _step(
    vector: Array,
    gradient: Array,
    statistics: Array,
    shape: NetworkShape,
    x: Array,
    y: Array,
    prior: Array,
    clamp: float,
    total: int,
    workspace: tuple[Array, ...],
) -> tuple[float, float, int]:
    """Objective and its gradient on a batch x (F, N), y (N,): (nll, KL, wrong); running statistics move on."""
    _, width, classes, depth = shape
    points, zero = len(y), vector.dtype.type(0)
    input_weight, input_bias, head_weight, head_bias, weight, bias, scale, shift, q_logits = _views(vector, shape)
    d_input, d_input_bias, d_head, d_head_bias, d_weight, d_bias, d_scale, d_shift, d_q_logits = _views(gradient, shape)
    running = statistics.reshape(2, depth, width)
    state_work, rectified_work, logit_work, small_work = workspace
    states = state_work[: (depth + 1) * width * points].reshape(depth + 1, width, points)
    rectified = rectified_work[: depth * width * points].reshape(depth, width, points)
    logits = logit_work[: (depth + 1) * classes * points].reshape(depth + 1, classes, points)
    upstream = small_work[0, : width * points].reshape(width, points)
    inner = small_work[1, : width * points].reshape(width, points)
    product = small_work[2, : width * points].reshape(width, points)
    means, inverses = np.empty((depth, width), vector.dtype), np.empty((depth, width), vector.dtype)
    ones, sums = np.ones(points, vector.dtype), np.empty(width, vector.dtype)
    learnt = len(prior) > 0
    q, first = _posterior(q_logits, depth), 0 if learnt else depth

    np.dot(input_weight, x, states[0])
    _add_bias(states[0], input_bias)
    for d in range(depth):
        _block_forward(
            states[d], weight[d], bias[d], scale[d], shift[d], running[0, d], running[1, d],
            rectified[d], means[d], inverses[d], states[d + 1], ones, sums,
        )  # fmt: skip

    nll, per_depth = 0.0, np.zeros(depth + 1, vector.dtype)
    mixture = np.zeros((classes, points), vector.dtype)
    for d in range(first, depth + 1):
        np.dot(head_weight, states[d], logits[d])
        _add_bias(logits[d], head_bias)
        mean = _softmax(logits[d], y) / points
        per_depth[d] = mean
        nll += q[d] * mean
        _add_scaled(mixture, q[d], logits[d])
    wrong = _count_wrong(mixture, y)

    kl = 0.0
    if learnt:
        d_q = np.empty(depth + 1, vector.dtype)
        for d in range(depth + 1):
            inside = clamp <= q[d] <= 1 - clamp
            clamped, clamped_prior = min(max(q[d], clamp), 1 - clamp), min(max(prior[d], clamp), 1 - clamp)
            ratio = np.log(clamped) - np.log(clamped_prior)
            kl += clamped * ratio
            d_q[d] = per_depth[d] + ((ratio + 1) / total if inside else 0.0)
        d_q_logits[:] = q * (d_q - (q * d_q).sum())

    d_head[:] = zero
    d_head_bias[:] = zero
    upstream[:] = zero
    d_head_here, d_head_bias_here = np.empty((classes, width), vector.dtype), np.empty(classes, vector.dtype)
    for d in range(depth, -1, -1):
        if d >= first:
            share = q[d] / points
            for n in range(points):
                logits[d, y[n], n] -= vector.dtype.type(1)
            for k in range(classes):
                row = logits[d, k]
                for n in range(points):
                    row[n] *= share
            np.dot(logits[d], ones, d_head_bias_here)
            d_head_bias += d_head_bias_here
            np.dot(logits[d], states[d].T, d_head_here)
            d_head += d_head_here
            np.dot(head_weight.T, logits[d], product)
            upstream += product
        if d > 0:
            _block_backward(
                states[d - 1], weight[d - 1], scale[d - 1], rectified[d - 1], means[d - 1], inverses[d - 1],
                upstream, inner, product, d_weight[d - 1], d_bias[d - 1], d_scale[d - 1], d_shift[d - 1], ones,
            )  # fmt: skip
    np.dot(upstream, x.T, d_input)
    np.dot(upstream, ones, d_input_bias)
    return nll, kl, wrong


@compiled
def evaluate_points(
    vector: Array, statistics: Array, shape: NetworkShape, learnt: bool, x: Array, y: Array
) -> tuple[float, int, Array]:
    """Of points x (F, N), y (N,) in evaluation mode: negative log-likelihood and number wrong of the mixed prediction,
    and the sum of the cross entropies of each depth (D+1,), in float64."""
    _, width, classes, depth = shape
    input_weight, input_bias, head_weight, head_bias, weight, bias, scale, shift, q_logits = _views(vector, shape)
    running = statistics.reshape(2, depth, width)
    q, nll, wrong, of_depths = _posterior(q_logits, depth), 0.0, 0, np.zeros(depth + 1)
    for start in range(0, len(y), POINTS_PER_PASS):
        part = np.ascontiguousarray(x[:, start : start + POINTS_PER_PASS])
        classes_of = y[start : start + POINTS_PER_PASS]
        points = len(classes_of)
        state, product = np.empty((width, points), vector.dtype), np.empty((width, points), vector.dtype)
        logits, mixture = np.empty((classes, points), vector.dtype), np.zeros((classes, points), vector.dtype)
        likelihood = np.full(points, -np.inf)  # log of the true class's probability, all depths mixed
        np.dot(input_weight, part, state)
        _add_bias(state, input_bias)
        for d in range(depth + 1):
            if learnt or d == depth:
                np.dot(head_weight, state, logits)
                _add_bias(logits, head_bias)
                _add_log_likelihood(likelihood, np.log(q[d]), logits, classes_of)
                of_depths[d] += _softmax(logits, classes_of)
                _add_scaled(mixture, q[d], logits)
            if d < depth:
                np.dot(weight[d], state, product)
                for j in range(width):
                    factor = scale[d, j] / np.sqrt(running[1, d, j] + vector.dtype.type(EPSILON))
                    offset, b = shift[d, j] - running[0, d, j] * factor, bias[d, j]
                    row, into = product[j], state[j]
                    for n in range(points):
                        value = row[n] + b
                        into[n] += factor * (vector.dtype.type(0) if value < 0 else value) + offset
        nll -= likelihood.sum()
        wrong += _count_wrong(mixture, classes_of)
    return nll / len(y), wrong, of_depths


@compiled
def train_epochs(
    arrays: tuple[Array, ...],
    shape: NetworkShape,
    points: tuple[Array, Array, Array, int],
    rates: Array,
    kl_terms: tuple[Array, float],
    stopping: tuple[int, int, float, int],
    closed_form_from: int,
    measured: Array,
) -> tuple[int, bool, int, int, float]:
    """Train for len(measured) epochs at most, changing `arrays`; `measured` (epochs, steps, 3) takes nll, KL, wrong.

    From the epoch `closed_form_from` on, where it is not -1, q is set to q* after each epoch's steps.

    Returns the epochs completed, whether to go on, the step that was not finite or -1, best epoch and best ELBO.
    """
    vector, momentum, statistics, best, best_statistics = arrays
    features, width, classes, depth = shape
    x, y, orders, batch_size = points
    prior, clamp = kl_terms
    first, best_epoch, best_elbo, patience = stopping
    learning_rate, momentum_factor, weight_decay = rates
    total, gradient = len(y), np.zeros_like(vector)
    largest = min(batch_size, total)
    workspace = (
        np.empty((depth + 1) * width * largest, vector.dtype),
        np.empty(depth * width * largest, vector.dtype),
        np.empty((depth + 1) * classes * largest, vector.dtype),
        np.empty((3, width * largest), vector.dtype),
    )
    for number in range(len(measured)):
        nll_sum = kl_sum = 0.0
        for step in range(measured.shape[1]):
            start, stop = step * batch_size, min((step + 1) * batch_size, total)
            if len(orders):
                chosen = orders[number, start:stop]
                batch_y = y[chosen]
                batch_x = np.empty((features, len(chosen)), vector.dtype)
                for f in range(features):
                    for n in range(len(chosen)):
                        batch_x[f, n] = x[f, chosen[n]]
            else:
                batch_x, batch_y = x, y
            nll, kl, wrong = _step(
                vector, gradient, statistics, shape, batch_x, batch_y, prior, clamp, total, workspace
            )  # fmt: skip
            if not (np.isfinite(nll) and np.isfinite(kl)):
                return number, False, step, best_epoch, best_elbo
            for i in range(len(vector)):
                momentum[i] = momentum_factor * momentum[i] + (gradient[i] + weight_decay * vector[i])
                vector[i] -= learning_rate * momentum[i]
            measured[number, step, 0], measured[number, step, 1], measured[number, step, 2] = nll, kl, wrong
            nll_sum += (stop - start) * nll
            kl_sum += (stop - start) * kl
        elbo = -(nll_sum + kl_sum / total)
        if 0 <= closed_form_from <= first + number:
            of_depths = evaluate_points(vector, statistics, shape, True, x, y)[2]
            scores = np.log(prior.astype(np.float64)) - of_depths
            scores -= scores.max()
            vector[len(vector) - len(prior) :] = scores - np.log(np.exp(scores).sum())
        if elbo > best_elbo and first + number >= closed_form_from:
            best_epoch, best_elbo = first + number, elbo
            best[:] = vector
            best_statistics[:] = statistics
        if first + number - max(best_epoch, closed_form_from) > patience:
            return number + 1, False, -1, best_epoch, best_elbo
    return len(measured), True, -1, best_epoch, best_elbo
