"""Calls of host functions by their address, and host addresses as arrays, in compiled code.

Compiled code that refers to a `ctypes` object cannot be cached; an address in a word can be called.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LOG_LONGEST = 1 << 40
"""Compiled code sees the log as an array of this many words; its head says how many there are."""


@intrinsic
def pointer(_context: Any, address: Any) -> Any:  # noqa: ANN401 - numba's own types
    """Return a host address as a pointer that `carray` takes (compiled code only)."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(address), generate


def _caller(result: Any, arguments: list[Any]) -> Any:  # noqa: ANN401 - numba's own types
    """Return an LLVM function type made of integers."""
    return ir.FunctionType(result, arguments)


@intrinsic
def call_stop(_context: Any, function: Any, engine: Any) -> Any:  # noqa: ANN401
    """Call uc_emu_stop."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        kind = _caller(ir.IntType(32), [ir.IntType(64)])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int32(function, engine), generate


@intrinsic
def call_unwind(_context: Any, function: Any, cpu: Any, place: Any) -> Any:  # noqa: ANN401
    """Call cpu_loop_exit_restore, which does not return."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        word = ir.IntType(64)
        kind = _caller(ir.VoidType(), [word, word])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], args[2]])
        return ir.Constant(ir.IntType(32), 0)

    return types.int32(function, cpu, place), generate


@intrinsic
def call_start(_context: Any, function: Any, engine: Any, begin: Any) -> Any:  # noqa: ANN401
    """Call uc_emu_start without an end; return its result."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        word = ir.IntType(64)
        kind = _caller(ir.IntType(32), [word] * 5)
        target = builder.inttoptr(args[0], kind.as_pointer())
        zero = ir.Constant(word, 0)
        return builder.call(target, [args[1], args[2], zero, zero, zero])

    return types.int32(function, engine, begin), generate


@intrinsic
def call_translate(
    _context: Any,  # noqa: ANN401
    function: Any,  # noqa: ANN401
    engine: Any,  # noqa: ANN401
    linear: Any,  # noqa: ANN401
    access: Any,  # noqa: ANN401, ARG001
    result: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Call uc_vmem_translate (compiled code only); `access` is one of UC_PROT_...."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        word = ir.IntType(64)
        kind = _caller(ir.IntType(32), [word, word, ir.IntType(32), word])
        target = builder.inttoptr(args[0], kind.as_pointer())
        rights = builder.trunc(args[3], ir.IntType(32))
        return builder.call(target, [args[1], args[2], rights, args[4]])

    return types.int32(function, engine, linear, types.int64, result), generate


@intrinsic
def call_reg_read(
    _context: Any,  # noqa: ANN401
    function: Any,  # noqa: ANN401, ARG001
    engine: Any,  # noqa: ANN401, ARG001
    number: Any,  # noqa: ANN401, ARG001
    result: Any,  # noqa: ANN401, ARG001
) -> Any:  # noqa: ANN401
    """Call uc_reg_read (compiled code only)."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word, ir.IntType(32), word])
        target = builder.inttoptr(args[0], kind.as_pointer())
        narrow = builder.trunc(args[2], ir.IntType(32))
        return builder.call(target, [args[1], narrow, args[3]])

    return types.int32(types.int64, types.int64, types.int64, types.int64), generate
