"""The first look at a block that is about to run: the common case, in few instructions.

The engine calls this before each block of guest code, so its cost is the cost of counting. It is
built from LLVM instructions rather than compiled by numba, whose callbacks are two functions that
save every register. Where anything is out of the ordinary nothing has changed, and the complete
callback, `native.on_block`, is called instead.
"""

import functools
from typing import Any

from llvmlite import binding, ir

from uniSMP.core import context as cx
from uniSMP.core import native_state as ns

_WORD = ir.IntType(64)
_DOUBLE = ir.IntType(32)
_RF = 1 << 16
_UNUSUAL = (ns.PASS, ns.STOP_NEXT, ns.WATCH_INTERRUPTS, ns.KEEPS_PLACE, ns.SPINS)
"""Words that are zero in the common case."""


class _Function:
    """Builds the function."""

    def __init__(self) -> None:
        arguments = [_WORD, _WORD, _DOUBLE, _WORD]
        self.module = ir.Module(name="block_entry")
        kind = ir.FunctionType(ir.VoidType(), arguments)
        function = ir.Function(self.module, kind, name="block_entry")
        self._build = ir.IRBuilder(function.append_basic_block("entry"))
        self._slow = function.append_basic_block("slow")
        self._function = function
        engine, address, size, state = function.args
        self._state = state
        entry = self._check(address, self._build.zext(size, _WORD))
        self._charge(entry, address, self._build.zext(size, _WORD))
        self._build.ret_void()
        self._build.position_at_end(self._slow)
        target = self._build.inttoptr(self._word(ns.BLOCK_FUNCTION), kind.as_pointer())
        call = self._build.call(target, [engine, address, size, state], tail="tail")
        assert call is not None
        self._build.ret_void()

    def _load(self, base: Any, offset: int, kind: Any = _WORD) -> Any:  # noqa: ANN401
        place = self._build.add(base, ir.Constant(_WORD, offset))
        return self._build.load(self._build.inttoptr(place, kind.as_pointer()))

    def _word(self, number: int) -> Any:  # noqa: ANN401
        return self._load(self._state, number * 8)

    def _write(self, base: Any, offset: int, value: Any) -> None:  # noqa: ANN401
        place = self._build.add(base, ir.Constant(_WORD, offset))
        self._build.store(value, self._build.inttoptr(place, _WORD.as_pointer()))

    def _store(self, number: int, value: Any) -> None:  # noqa: ANN401
        self._write(self._state, number * 8, value)

    def _require(self, condition: Any) -> None:  # noqa: ANN401
        """Go on where a condition holds, and call the complete callback where it does not."""
        onward = self._function.append_basic_block()
        self._build.cbranch(condition, onward, self._slow)
        self._build.position_at_end(onward)

    def _check(self, address: Any, size: Any) -> Any:  # noqa: ANN401
        """Check that the block is known and may run whole; return where its table entry is."""
        build = self._build
        unusual = self._word(_UNUSUAL[0])
        for number in _UNUSUAL[1:]:
            unusual = build.or_(unusual, self._word(number))
        self._require(build.icmp_signed("==", unusual, ir.Constant(_WORD, 0)))
        mixed = build.xor(address, build.lshr(address, ir.Constant(_WORD, ns.TABLE_BITS)))
        slot = build.and_(mixed, ir.Constant(_WORD, ns.TABLE_ENTRIES - 1))
        offset = build.mul(slot, ir.Constant(_WORD, ns.ENTRY_WORDS * 8))
        entry = build.add(self._word(ns.TABLE), offset)
        environment = self._word(ns.ENV)
        hflags = build.zext(self._load(environment, cx.HFLAGS, _DOUBLE), _WORD)
        mode = build.and_(hflags, ir.Constant(_WORD, ns.MODE_MASK))
        expected = (
            (ns.ENTRY_ADDRESS, address),
            (ns.ENTRY_SIZE, size),
            (ns.ENTRY_MODE, mode),
            (ns.ENTRY_EPOCH, self._word(ns.EPOCH)),
        )
        for column, value in expected:
            self._require(build.icmp_signed("==", self._load(entry, column * 8), value))
        flags = self._load(environment, cx.EFLAGS, _DOUBLE)
        resume = build.and_(flags, ir.Constant(_DOUBLE, _RF))
        self._require(build.icmp_signed("==", resume, ir.Constant(_DOUBLE, 0)))
        return entry

    def _log(self, block: Any, executed: Any) -> None:  # noqa: ANN401
        """Append a block record where the log is on, as `native.on_block` does."""
        build = self._build
        head = self._word(ns.LOG)
        logged = self._function.append_basic_block()
        onward = self._function.append_basic_block()
        is_off = build.icmp_signed("==", head, ir.Constant(_WORD, 0))
        build.cbranch(is_off, onward, logged)
        build.position_at_end(logged)
        count = self._load(head, ns.LOG_COUNT * 8)
        needed = build.add(count, ir.Constant(_WORD, ns.LOG_RESERVE))
        capacity = self._load(head, ns.LOG_CAPACITY * 8)
        self._require(build.icmp_signed("<=", needed, capacity))
        hflags = self._load(self._word(ns.ENV), cx.HFLAGS, _DOUBLE)
        level = build.and_(build.zext(hflags, _WORD), ir.Constant(_WORD, cx.HF_CPL))
        record = ir.Constant(_WORD, ns.RECORD_BLOCK)
        for value, shift in ((level, 2), (self._word(ns.CORE_ID), 4), (block, 16)):
            record = build.or_(record, build.shl(value, ir.Constant(_WORD, shift)))
        place = build.add(
            self._load(head, ns.LOG_WORDS * 8), build.shl(count, ir.Constant(_WORD, 3))
        )
        self._write(place, 0, record)
        self._write(place, 8, executed)
        self._write(head, ns.LOG_LAST * 8, count)
        self._write(head, ns.LOG_COUNT * 8, build.add(count, ir.Constant(_WORD, 2)))
        self._store(ns.LOG_INDEX, ir.Constant(_WORD, -1))
        build.branch(onward)
        build.position_at_end(onward)

    def _charge(self, entry: Any, address: Any, size: Any) -> None:  # noqa: ANN401
        build = self._build
        plain = self._load(entry, ns.ENTRY_PLAIN * 8)
        remaining = self._word(ns.REMAINING)
        self._require(build.icmp_signed(">", plain, ir.Constant(_WORD, 0)))
        self._require(build.icmp_signed(">=", remaining, plain))
        self._log(self._load(entry, ns.ENTRY_BLOCK * 8), plain)
        self._store(ns.BLOCK, self._load(entry, ns.ENTRY_BLOCK * 8))
        self._store(ns.BLOCK_START, address)
        self._store(ns.BLOCK_END, build.add(address, size))
        self._store(ns.CHARGED, plain)
        self._store(ns.REMAINING, build.sub(remaining, plain))
        self._store(ns.RETIRED, build.add(self._word(ns.RETIRED), plain))


@functools.cache
def _compiled() -> tuple[Any, int]:
    """Return the owner of the code, and its host address."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(opt=3)
    module = binding.parse_assembly(str(_Function().module))
    owner = binding.create_mcjit_compiler(module, machine)
    owner.finalize_object()
    return owner, owner.get_function_address("block_entry")


def address() -> int:
    """Return the host address of the callback."""
    return _compiled()[1]
