"""Vectors of numbers in compiled functions, each operation on all lanes at once.

A vector is as many numbers as a register of the processor holds, or a few registers: 8 or 16, called its lanes. LLVM,
numba's compiler, has them as a type, splits them where registers are shorter, and keeps them in registers where they
fit; here that type and its operations become functions that compiled functions call. Loops of single numbers need luck
to be turned into vectors, and known sizes; these need neither, so one compiled loop serves all sizes. Numbers that have
to be known when compiling are given as the length of a tuple: `lanes`, `count` and `taps` are tuples of zeros. Arrays
are one line of numbers. Reading and writing checks no bounds, unless NUMBA_BOUNDSCHECK=1 is set: then it raises
IndexError.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import config
from numba.core.registry import cpu_target
from numba.extending import models, register_model

from workflow_scripts.runtime.compilation import FAST

# how many vectors a loop keeps in registers
EIGHT, FOUR, THREE, TWO, ONE = (0,) * 8, (0,) * 4, (0,) * 3, (0,) * 2, (0,)
FLAGS = tuple(sorted(FAST))


def lanes_for(*channels: int) -> tuple[int, ...]:
    """Lanes that divide all of `channels`: 16 where a register holds 16 numbers of single precision, else 8.

    Raises ValueError where 8 do not: such vectors would leave their arrays.
    """
    if odd := [count for count in channels if count % 8]:
        raise ValueError(f"a compiled pass needs widths that are multiples of 8; {odd[0]} is not, use the modules")
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    long_registers = "+avx512f" in features.split(",")
    return (0,) * (16 if long_registers and all(count % 16 == 0 for count in channels) else 8)


class Vector(types.Type):
    """The type of a vector of so many numbers of one type."""

    def __init__(self, dtype: types.Type, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype} x {lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(manager.lookup(vector.dtype).get_value_type(), vector.lanes))


class _Numbers:
    """An array, as the operations below see it."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        self.context, self.builder, self.align = context, builder, kind.dtype.bitwidth // 8
        self.array = context.make_array(kind)(context, builder, value)
        self.dtype = context.get_value_type(kind.dtype)

    def load(self, at: Any, lanes: int) -> Any:
        """`lanes` numbers from `at` on."""
        address = self.builder.bitcast(self._address(at, lanes), ir.VectorType(self.dtype, lanes).as_pointer())
        return self.builder.load(address, align=self.align)

    def load_spread(self, at: Any, lanes: int) -> Any:
        """The number at `at` in all lanes."""
        return _spread(self.builder, self.load_one(at), lanes)

    def load_one(self, at: Any) -> Any:
        """The number at `at`."""
        return self.builder.load(self._address(at, 1))

    def store(self, at: Any, vector: Any) -> None:
        """Write a vector from `at` on."""
        address = self.builder.bitcast(self._address(at, vector.type.count), vector.type.as_pointer())
        self.builder.store(vector, address, align=self.align)

    def _address(self, at: Any, count: int) -> Any:
        if config.BOUNDSCHECK:  # type: ignore[attr-defined]
            end = self.builder.add(at, ir.Constant(at.type, count))
            before = self.builder.icmp_signed("<", at, ir.Constant(at.type, 0))
            outside = self.builder.or_(before, self.builder.icmp_signed(">", end, self.array.nitems))
            with self.builder.if_then(outside, likely=False):
                self.context.call_conv.return_user_exc(self.builder, IndexError, ("a vector leaves its array",))
        return self.builder.gep(self.array.data, [at])


def _operation(result: Any, code: Callable[..., Any]) -> Any:
    """Make a function for compiled functions of one that writes its code with LLVM's builder, the first argument.

    `result` is the type of the result, or makes it of the arguments' types. The code gets arrays as `_Numbers`, tuples
    of vectors as lists, tuples of zeros as their lengths, and returns lists for tuples.
    """

    def opened(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, types.Array):
            return _Numbers(context, builder, kind, value)
        if not isinstance(kind, types.UniTuple):
            return value
        vectors = isinstance(kind.dtype, Vector)
        return [builder.extract_value(value, at) for at in range(kind.count)] if vectors else kind.count

    @wraps(code)
    def typed(_: Any, *kinds: Any) -> Any:
        found = result(*kinds) if not isinstance(result, types.Type) else result

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arguments = [opened(context, builder, *one) for one in zip(signature.args, values, strict=True)]
            written = code(builder, *arguments)
            if isinstance(written, list):
                written = context.make_tuple(builder, found, written)
            return context.get_dummy_value() if written is None else written

        return found(*(types.intp if isinstance(kind, types.Integer) else kind for kind in kinds)), generate

    intrinsic: Any = extending.intrinsic
    return intrinsic(typed)


def _first(first: Any, *_: Any) -> Any:
    return first


def _loaded(array: Any, *others: Any) -> Any:
    """A vector of an array's numbers, for the lanes that are the last argument."""
    return Vector(array.dtype, others[-1].count)


def _repeated(vector: Any, count: Any) -> Any:
    return types.UniTuple(vector, count.count)


def _places(b: Any, at: Any, step: Any, count: int) -> Iterator[Any]:
    """at, at + step, ...; as many as `count`"""
    for _ in range(count):
        yield at
        at = b.add(at, step)


def _spread(b: Any, number: Any, lanes: int) -> Any:
    nothing = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    one = b.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return b.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def _multiply_add(b: Any, x: Any, y: Any, z: Any) -> Any:
    return b.fadd(b.fmul(x, y, flags=FLAGS), z, flags=FLAGS)


load = _operation(_loaded, lambda b, array, at, lanes: array.load(at, lanes))  # array[at : at + lanes]
store = _operation(types.void, lambda b, array, at, vector: array.store(at, vector))  # array[at : at + lanes] = vector
spread = _operation(lambda number, lanes: Vector(number, lanes.count), _spread)  # a number in all lanes
add = _operation(_first, lambda b, x, y: b.fadd(x, y, flags=FLAGS))  # x + y
subtract = _operation(_first, lambda b, x, y: b.fsub(x, y, flags=FLAGS))  # x - y
multiply = _operation(_first, lambda b, x, y: b.fmul(x, y, flags=FLAGS))  # x * y
multiply_add = _operation(_first, _multiply_add)  # x * y + z
repeat = _operation(_repeated, lambda b, vector, count: [vector] * count)  # a vector, `count` times


@partial(_operation, _first)
def where_positive(b: Any, condition: Any, value: Any) -> Any:
    """0 where condition <= 0, else value; so not-a-number passes on."""
    zero = ir.Constant(condition.type, None)
    return b.select(b.fcmp_ordered("<=", condition, zero), zero, value)


@partial(_operation, _first)
def larger(b: Any, x: Any, y: Any) -> Any:
    """The larger of x and y, or x; not-a-number is larger than all."""
    return b.select(b.or_(b.fcmp_unordered("uno", x, x), b.fcmp_ordered("<=", y, x)), x, y)


@partial(_operation, lambda x, y, value, other: value)
def where_equal(b: Any, x: Any, y: Any, value: Any, other: Any) -> Any:
    """value where x == y, else other"""
    return b.select(b.fcmp_ordered("==", x, y), value, other)


@partial(_operation, types.void)
def add_to_doubles(b: Any, array: Any, at: Any, vector: Any) -> None:
    """array[at : at + lanes] += vector, the array in double precision"""
    wide = ir.VectorType(ir.DoubleType(), vector.type.count)
    value = vector if vector.type == wide else b.fpext(vector, wide)
    array.store(at, b.fadd(array.load(at, vector.type.count), value))


@partial(_operation, lambda array, at, step, count, lanes: _repeated(_loaded(array, lanes), count))
def load_many(b: Any, array: Any, at: Any, step: Any, count: int, lanes: int) -> Any:
    """`count` vectors, from at, at + step, ... on."""
    return [array.load(here, lanes) for here in _places(b, at, step, count)]


@partial(_operation, types.void)
def store_many(b: Any, array: Any, at: Any, step: Any, vectors: Any) -> None:
    """Write vectors to at, at + step, ..."""
    for here, vector in zip(_places(b, at, step, len(vectors)), vectors, strict=True):
        array.store(here, vector)


def _add_each(b: Any, sums: Any, array: Any, places: Iterable[Any], x: Any) -> Any:
    """sums[k] + array[places[k]] * x, for each k"""
    each, lanes = zip(places, sums, strict=True), x.type.count
    return [_multiply_add(b, array.load_spread(here, lanes), x, one) for here, one in each]


@partial(_operation, _first)
def add_outer(b: Any, sums: Any, array: Any, at: Any, step: Any, x: Any) -> Any:
    """sums[k] + array[at + k * step] * x, for each k"""
    return _add_each(b, sums, array, _places(b, at, step, len(sums)), x)


@partial(_operation, _first)
def add_products(b: Any, sums: Any, array: Any, places: Any, first: Any, at: Any, x: Any) -> Any:
    """sums[k] + array[places[first + k] + at] * x, for each k"""
    following = _places(b, first, ir.Constant(first.type, 1), len(sums))
    return _add_each(b, sums, array, (b.add(places.load_one(here), at) for here in following), x)


@partial(_operation, lambda vectors, *_: vectors.dtype)
def combine(b: Any, vectors: Any, array: Any, at: Any) -> Any:
    """The sum over k of vectors[k] * array[at + k]."""
    total = ir.Constant(vectors[0].type, None)
    for here, vector in zip(_places(b, at, ir.Constant(at.type, 1), len(vectors)), vectors, strict=True):
        total = _multiply_add(b, array.load_spread(here, vector.type.count), vector, total)
    return total


def _windows(b: Any, array: Any, place: Any, taps: int, pixels: int, lanes: int) -> Iterator[Any]:
    """What windows side by side read, each number once: it, and which taps of which pixels it meets."""
    (at, row, column), side = place, round(taps**0.5)
    for line, start in enumerate(_places(b, at, row, side)):
        for across, here in enumerate(_places(b, start, column, side + pixels - 1)):
            met = range(max(0, across - side + 1), min(pixels, across + 1))
            yield array.load(here, lanes), [(line * side + across - pixel, pixel) for pixel in met]


@partial(_operation, lambda taps, array, at, row, column, pixels: _repeated(taps.dtype, pixels))
def dot_windows(b: Any, taps: Any, array: Any, at: Any, row: Any, column: Any, pixels: int) -> Any:
    """The sums over windows of taps times array: the outputs of a depthwise convolution, each a column further.

    They are `pixels`.
    """
    found = [ir.Constant(taps[0].type, None)] * pixels
    for x, met in _windows(b, array, (at, row, column), len(taps), pixels, taps[0].type.count):
        for tap, pixel in met:
            found[pixel] = _multiply_add(b, taps[tap], x, found[pixel])
    return found


@partial(_operation, _first)
def add_windows(b: Any, sums: Any, xs: Any, array: Any, at: Any, row: Any, column: Any) -> Any:
    """sums + x * array at each pixel of the window of each of xs: what the gradients xs of outputs send to the taps."""
    for a, met in _windows(b, array, (at, row, column), len(sums), len(xs), xs[0].type.count):
        for tap, pixel in met:
            sums[tap] = _multiply_add(b, xs[pixel], a, sums[tap])
    return sums
