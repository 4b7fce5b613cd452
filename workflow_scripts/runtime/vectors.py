"""Vectors of numbers in compiled functions, each operation on all lanes at once.

A vector is as many numbers as a register of the processor holds, or a few registers: 8 or 16, called its lanes. LLVM,
numba's compiler, has them as a type, splits them where registers are shorter, and keeps them in registers where they
fit; here that type and its operations become functions that compiled functions call. Loops of single numbers need luck
to be turned into vectors, and known sizes; these need neither, so one compiled loop serves all sizes. Numbers that have
to be known when compiling are given as the length of a tuple: `lanes` and `taps` are tuples of zeros. Arrays are one
line of numbers. Reading and writing checks no bounds, unless NUMBA_BOUNDSCHECK=1 is set: then it raises IndexError.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import config as numba_config
from numba.core.registry import cpu_target
from numba.extending import models, register_model

from workflow_scripts.runtime.compilation import FAST

FLAGS = tuple(sorted(FAST))
config: Any = numba_config  # without types, as the next
intrinsic: Any = extending.intrinsic


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


class _Code:
    """What the functions below are written with: LLVM's builder, and the arguments' types and values."""

    def __init__(self, context: Any, builder: Any, types_: Any, values: Any) -> None:
        self.context, self.builder, self.types, self.values = context, builder, types_, values

    def address(self, number: int, at: Any, lanes: int) -> Any:
        """The address of `lanes` numbers from `at` on in the array that is argument `number`."""
        array = self.context.make_array(self.types[number])(self.context, self.builder, self.values[number])
        if config.BOUNDSCHECK:
            end = self.builder.add(at, ir.Constant(at.type, lanes))
            before = self.builder.icmp_signed("<", at, ir.Constant(at.type, 0))
            outside = self.builder.or_(before, self.builder.icmp_signed(">", end, array.nitems))
            with self.builder.if_then(outside, likely=False):
                self.context.call_conv.return_user_exc(self.builder, IndexError, ("a vector leaves its array",))
        return self.builder.gep(array.data, [at])

    def load(self, number: int, at: Any, vector: Any) -> Any:
        address = self.builder.bitcast(self.address(number, at, vector.count), vector.as_pointer())
        return self.builder.load(address, align=self._bytes(number))

    def store(self, number: int, at: Any, value: Any) -> None:
        address = self.builder.bitcast(self.address(number, at, value.type.count), value.type.as_pointer())
        self.builder.store(value, address, align=self._bytes(number))

    def load_spread(self, number: int, at: Any, vector: Any) -> Any:
        return self.spread(self.builder.load(self.address(number, at, 1)), vector)

    def spread(self, scalar: Any, vector: Any) -> Any:
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return self.builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.fadd(self.builder.fmul(a, b, flags=FLAGS), c, flags=FLAGS)

    def part(self, values: Any, number: int) -> Any:
        return self.builder.extract_value(values, number)

    def together(self, kind: types.Type, values: list[Any]) -> Any:
        return self.context.make_tuple(self.builder, kind, values)

    def window(self, count: int, at: Any, row: Any, column: Any) -> list[Any]:
        """The places of a square of `count` pixels from `at` on, row by row."""
        side = round(count**0.5)
        found = []
        for _ in range(side):
            here = at
            for _ in range(side):
                found.append(here)
                here = self.builder.add(here, column)
            at = self.builder.add(at, row)
        return found

    def type_of(self, kind: types.Type) -> Any:
        return self.context.get_value_type(kind)

    def _bytes(self, number: int) -> int:
        return int(self.types[number].dtype.bitwidth) // 8


def _defined(code: Callable[[_Code, Any], Any], result: Any) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = code(_Code(context, builder, signature.args, values), values)
        return context.get_dummy_value() if made is None else made

    return generate


def _vectors(dtype: types.Type, lanes: Any, count: int) -> Any:
    return types.UniTuple(Vector(dtype, lanes.count), count)


@intrinsic
def load(_: Any, array: Any, at: Any, lanes: Any) -> Any:
    """array[at : at + lanes]"""
    kind = Vector(array.dtype, lanes.count)
    return kind(array, types.intp, lanes), _defined(lambda c, v: c.load(0, v[1], c.type_of(kind)), kind)


@intrinsic
def store(_: Any, array: Any, at: Any, vector: Any) -> Any:
    """array[at : at + lanes] = vector"""
    return types.void(array, types.intp, vector), _defined(lambda c, v: c.store(0, v[1], v[2]), None)


@intrinsic
def spread(_: Any, number: Any, lanes: Any) -> Any:
    """The number in all lanes."""
    kind = Vector(number, lanes.count)
    return kind(number, lanes), _defined(lambda c, v: c.spread(v[0], c.type_of(kind)), kind)


@intrinsic
def add(_: Any, a: Any, b: Any) -> Any:
    """a + b"""
    return a(a, b), _defined(lambda c, v: c.builder.fadd(v[0], v[1], flags=FLAGS), a)


@intrinsic
def subtract(_: Any, a: Any, b: Any) -> Any:
    """a - b"""
    return a(a, b), _defined(lambda c, v: c.builder.fsub(v[0], v[1], flags=FLAGS), a)


@intrinsic
def multiply(_: Any, a: Any, b: Any) -> Any:
    """a * b"""
    return a(a, b), _defined(lambda c, v: c.builder.fmul(v[0], v[1], flags=FLAGS), a)


@intrinsic
def multiply_add(_: Any, a: Any, b: Any, c_: Any) -> Any:
    """a * b + c"""
    return a(a, b, c_), _defined(lambda c, v: c.multiply_add(*v), a)


@intrinsic
def where_positive(_: Any, condition: Any, value: Any) -> Any:
    """0 where condition <= 0, else value; so not-a-number passes on."""

    def code(c: _Code, v: Any) -> Any:
        zero = ir.Constant(v[0].type, None)
        return c.builder.select(c.builder.fcmp_ordered("<=", v[0], zero), zero, v[1])

    return value(condition, value), _defined(code, value)


@intrinsic
def add_to_doubles(_: Any, array: Any, at: Any, vector: Any) -> Any:
    """array[at : at + lanes] += vector, the array in double precision"""

    def code(c: _Code, v: Any) -> None:
        wide = ir.VectorType(ir.DoubleType(), vector.lanes)
        value = v[2] if v[2].type == wide else c.builder.fpext(v[2], wide)
        c.store(0, v[1], c.builder.fadd(c.load(0, v[1], wide), value))

    return types.void(array, types.intp, vector), _defined(code, None)


@intrinsic
def zeros(_: Any, array: Any, count: Any, lanes: Any) -> Any:
    """As many vectors of zeros, of the array's numbers, as the tuple `count` is long."""
    kind = _vectors(array.dtype, lanes, count.count)

    def code(c: _Code, v: Any) -> Any:
        return c.together(kind, [ir.Constant(c.type_of(kind.dtype), None)] * kind.count)

    return kind(array, count, lanes), _defined(code, kind)


@intrinsic
def load_many(_: Any, array: Any, at: Any, step: Any, count: Any, lanes: Any) -> Any:
    """Vectors from at, at + step, ... on; as many as the tuple `count` is long."""
    kind = _vectors(array.dtype, lanes, count.count)

    def code(c: _Code, v: Any) -> Any:
        at_, found = v[1], []
        for _ in range(kind.count):
            found.append(c.load(0, at_, c.type_of(kind.dtype)))
            at_ = c.builder.add(at_, v[2])
        return c.together(kind, found)

    return kind(array, types.intp, types.intp, count, lanes), _defined(code, kind)


@intrinsic
def store_many(_: Any, array: Any, at: Any, step: Any, vectors: Any) -> Any:
    """Write vectors to at, at + step, ..."""

    def code(c: _Code, v: Any) -> None:
        at_ = v[1]
        for number in range(vectors.count):
            c.store(0, at_, c.part(v[3], number))
            at_ = c.builder.add(at_, v[2])

    return types.void(array, types.intp, types.intp, vectors), _defined(code, None)


@intrinsic
def add_outer(_: Any, sums: Any, array: Any, at: Any, step: Any, x: Any) -> Any:
    """sums[k] + array[at + k * step] * x, for each k"""

    def code(c: _Code, v: Any) -> Any:
        at_, found = v[2], []
        for number in range(sums.count):
            found.append(c.multiply_add(c.load_spread(1, at_, v[4].type), v[4], c.part(v[0], number)))
            at_ = c.builder.add(at_, v[3])
        return c.together(sums, found)

    return sums(sums, array, types.intp, types.intp, x), _defined(code, sums)


@intrinsic
def add_products(_: Any, sums: Any, array: Any, places: Any, first: Any, at: Any, x: Any) -> Any:
    """sums[k] + array[places[first + k] + at] * x, for each k"""

    def code(c: _Code, v: Any) -> Any:
        found = []
        for number in range(sums.count):
            here = c.builder.add(v[3], ir.Constant(v[3].type, number))
            place = c.builder.add(c.builder.load(c.address(2, here, 1)), v[4])
            found.append(c.multiply_add(c.load_spread(1, place, v[5].type), v[5], c.part(v[0], number)))
        return c.together(sums, found)

    return sums(sums, array, places, types.intp, types.intp, x), _defined(code, sums)


@intrinsic
def combine(_: Any, vectors: Any, array: Any, at: Any) -> Any:
    """The sum over k of vectors[k] * array[at + k]."""
    kind = vectors.dtype

    def code(c: _Code, v: Any) -> Any:
        total = ir.Constant(c.type_of(kind), None)
        for number in range(vectors.count):
            here = c.builder.add(v[2], ir.Constant(v[2].type, number))
            total = c.multiply_add(c.load_spread(1, here, total.type), c.part(v[0], number), total)
        return total

    return kind(vectors, array, types.intp), _defined(code, kind)


@intrinsic
def dot_windows(_: Any, taps: Any, array: Any, at: Any, row: Any, column: Any, pixels: Any) -> Any:
    """The sums over windows of taps times array: a depthwise convolution's outputs, each a column further.

    They are as many as the tuple `pixels` is long. A number that several read is read once.
    """
    kind, vector = types.UniTuple(taps.dtype, pixels.count), taps.dtype

    def code(c: _Code, v: Any) -> Any:
        side, found = round(taps.count**0.5), [ir.Constant(c.type_of(vector), None)] * kind.count
        for number, x in _pixels(c, 1, v[2:5], side, side + kind.count - 1, c.type_of(vector)):
            line, place = divmod(number, side + kind.count - 1)
            for pixel in range(max(0, place - side + 1), min(kind.count, place + 1)):
                found[pixel] = c.multiply_add(c.part(v[0], line * side + place - pixel), x, found[pixel])
        return c.together(kind, found)

    return kind(taps, array, types.intp, types.intp, types.intp, pixels), _defined(code, kind)


@intrinsic
def add_windows(_: Any, sums: Any, xs: Any, array: Any, at: Any, row: Any, column: Any) -> Any:
    """sums + x * array at each pixel of the window of each of xs: what the gradients xs of outputs send to the taps."""

    def code(c: _Code, v: Any) -> Any:
        side, found = round(sums.count**0.5), [c.part(v[0], number) for number in range(sums.count)]
        for number, a in _pixels(c, 2, v[3:6], side, side + xs.count - 1, c.type_of(sums.dtype)):
            line, place = divmod(number, side + xs.count - 1)
            for pixel in range(max(0, place - side + 1), min(xs.count, place + 1)):
                tap = line * side + place - pixel
                found[tap] = c.multiply_add(c.part(v[1], pixel), a, found[tap])
        return c.together(sums, found)

    return sums(sums, xs, array, types.intp, types.intp, types.intp), _defined(code, sums)


def _pixels(c: _Code, number: int, places: Any, rows: int, columns: int, vector: Any) -> Any:
    """The numbers of a rectangle of pixels, with their count, row by row; places are as of `_Code.window`."""
    at, row, column = places
    for line in range(rows):
        here = at
        for place in range(columns):
            yield line * columns + place, c.load(number, here, vector)
            here = c.builder.add(here, column)
        at = c.builder.add(at, row)


@intrinsic
def spread_window(_: Any, taps: Any, x: Any, array: Any, at: Any, row: Any, column: Any) -> Any:
    """array += taps * x at each pixel of a window: what an output's gradient x sends to the input."""

    def code(c: _Code, v: Any) -> None:
        for number, here in enumerate(c.window(taps.count, *v[3:])):
            c.store(2, here, c.multiply_add(c.part(v[0], number), v[1], c.load(2, here, v[1].type)))

    return types.void(taps, x, array, types.intp, types.intp, types.intp), _defined(code, None)


def _largest(c: _Code, number: int, places: list[Any], vector: Any) -> Any:
    found = c.load(number, places[0], vector)
    for here in places[1:]:
        x = c.load(number, here, vector)
        # unordered: not-a-number is larger than all, and stays
        keep = c.builder.or_(c.builder.fcmp_unordered("uno", found, found), c.builder.fcmp_ordered("<=", x, found))
        found = c.builder.select(keep, found, x)
    return found


@intrinsic
def window_maximum(_: Any, array: Any, at: Any, row: Any, column: Any, taps: Any, lanes: Any) -> Any:
    """The largest number of a window, lane by lane; not-a-number where there is one."""
    kind = Vector(array.dtype, lanes.count)

    def code(c: _Code, v: Any) -> Any:
        return _largest(c, 0, c.window(taps.count, *v[1:4]), c.type_of(kind))

    return kind(array, types.intp, types.intp, types.intp, taps, lanes), _defined(code, kind)


@intrinsic
def at_maximum(_: Any, values: Any, array: Any, at: Any, row: Any, column: Any, taps: Any, lanes: Any) -> Any:
    """The number of `values` at the place of a window where `array` is largest, the first of equal ones."""
    kind = Vector(array.dtype, lanes.count)

    def code(c: _Code, v: Any) -> Any:
        places, vector = c.window(taps.count, *v[2:5]), c.type_of(kind)
        largest, found = _largest(c, 1, places, vector), ir.Constant(vector, None)
        for here in reversed(places):
            hit = c.builder.fcmp_ordered("==", c.load(1, here, vector), largest)
            found = c.builder.select(hit, c.load(0, here, vector), found)
        return found

    return kind(values, array, types.intp, types.intp, types.intp, taps, lanes), _defined(code, kind)


@intrinsic
def spread_to_maximum(_: Any, sums: Any, x: Any, array: Any, at: Any, row: Any, column: Any, taps: Any) -> Any:
    """sums += x at the place of a window where `array` is largest, the first of equal ones."""

    def code(c: _Code, v: Any) -> None:
        places, vector = c.window(taps.count, *v[3:6]), v[1].type
        largest = _largest(c, 2, places, vector)
        left = v[1]  # what has not been sent yet
        zero = ir.Constant(vector, None)
        for here in places:
            hit = c.builder.fcmp_ordered("==", c.load(2, here, vector), largest)
            sent = c.builder.select(hit, left, zero)
            left = c.builder.select(hit, zero, left)
            c.store(0, here, c.builder.fadd(c.load(0, here, vector), sent, flags=FLAGS))

    return types.void(sums, x, array, types.intp, types.intp, types.intp, taps), _defined(code, None)
