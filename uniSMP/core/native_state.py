"""The words that one core's native code and its Python side share.

The state is an array of 64-bit integers. Positions are plain constants, because compiled code
takes them as literals.
"""

WORDS = 318
"""Length of the array."""

REMAINING = 0
"""Instructions the core may still retire before it must stop."""
RETIRED = 1
"""Instructions retired since the core was made; charged by block, refunded after a fault."""
REASON = 2
"""Why the last native run ended: one of the STOPPED_ constants."""
BLOCK = 3
"""Number of the block charged last."""
CHARGED = 4
"""Instructions charged for it."""
BLOCK_START = 5
"""Linear address of that block (signed)."""
BLOCK_END = 6
"""Linear address behind it (signed)."""
PASS = 7
"""Non-zero: the next block entry is the piece of a block already charged."""
WATCH_INTERRUPTS = 8
"""Non-zero: stop before a block that could accept a maskable interrupt."""
YIELD_ON_PAUSE = 9
"""Non-zero: stop after a PAUSE."""
STOP_NEXT = 10
"""Reason with which the next block entry stops, or 0."""
VECTOR = 11
"""Vector of the last exception or software interrupt."""
UNKNOWN_ADDRESS = 12
UNKNOWN_SIZE = 13
EPOCH = 14
"""Counts the instructions that may change the mapping of linear addresses."""
ENV = 15
CPU = 16
ENGINE = 17
TABLE = 18
"""Host addresses: CPU state, CPU object, engine handle, block table."""
START_FUNCTION = 19
STOP_FUNCTION = 20
TRANSLATE_FUNCTION = 21
"""Host addresses of uc_emu_start, uc_emu_stop and uc_vmem_translate."""
MMIO_SEEN = 22
MMIO_KNOWN = 23
"""Device accesses of the current instruction: met in this attempt, and answered so far."""
MMIO_ADDRESS = 24
MMIO_SIZE = 25
MMIO_VALUE = 26
MMIO_IS_WRITE = 27
"""The first device access of the current instruction that is not answered yet."""
LOG = 28
"""Host address of the head of the execution log, or 0: off. See LOG_... below."""
LOG_INDEX = 29
"""Index in the block charged last of the instruction that runs, where accesses are logged."""
LOG_REGISTERS = 30
"""Host address of the register watch, see `register_watch.make`, or 0: off."""
ENGINE_ERROR = 31
"""Result of uc_emu_start."""
WATCH_IRET = 32
"""Non-zero: stop after a block that ends in IRET (an NMI waits for the end of its handler)."""
SCRATCH = 33
UNWIND_FUNCTION = 34
"""Host address of cpu_loop_exit_restore."""
CORE_ID = 35
REGISTER_FUNCTION = 36
"""Host address of uc_reg_read."""
KEEPS_PLACE = 37
"""Host address of the engine's flag that its memory callbacks need not restore RIP, or 0."""
SENSITIVE_KIND = 38
"""READS_TIME or READS_TIME_AUX where the last stop was at such an instruction, else 0."""
TICKS = 39
"""Ticks of an instruction; 0: the time is asked for in Python."""
TIME_BASE = 40
"""What this core's time-stamp counter would be at RETIRED = 0 (64 bits, signed)."""
BLOCK_FUNCTION = 41
"""Host address of the complete block callback, see `block_entry`."""
CODE_PAGES = 42
RAM = 43
RAM_PAGES = 44
"""Host addresses of a byte for each page of RAM, non-zero where it holds translated code, and of
RAM; number of pages. CODE_PAGES is 0 where the TLB is left alone."""
NEXT_LOOK = 45
LOOK_INTERVAL = 46
"""RETIRED at which the TLB is looked at next, and instructions between two looks."""
FLAGS_ADDRESS = 47
FLAGS_KEPT = 48
FLAGS_WORDS = 4
"""Linear address of the instruction under way, and the words that the engine keeps flags in, as
they were before it; while instructions are logged."""
SPINS = 52
"""Host address of the table of `native_spin`, or 0: off. While it is on, the log is."""
DEVICES = 53
"""Counts accesses to devices."""
PASSED = 54
"""RETIRED at which a core does not stop although it stands at a rest."""
POINTS = 55
"""Host address of the table of `native_points`, or 0: off."""
DELIVERS = 56
"""Non-zero: compiled code may deliver software interrupts; nobody wants to be told of them."""
RAISED = 57
"""Host address of the counts of exceptions and software interrupts by vector."""
IN_A_ROW = 58
ROW_BEGAN = 59
"""Exceptions and software interrupts since an instruction last retired, and RETIRED then."""
FRAME = 60
"""Physical address of what the last delivery pushed, after STOPPED_DELIVERED."""
ANSWERS = 62
ANSWER_COUNT = 256
"""Answers to device accesses; FXSAVE alone makes some sixty, more where it is not aligned."""

STOPPED_HALT = 0
STOPPED_BUDGET = 1
STOPPED_UNKNOWN = 2
STOPPED_SENSITIVE = 3
STOPPED_EXCEPTION = 4
STOPPED_INVALID = 5
STOPPED_WINDOW = 6
STOPPED_PAUSE = 7
STOPPED_MMIO = 8
STOPPED_STEP = 9
STOPPED_PARTIAL = 10
STOPPED_IRET = 11
STOPPED_LOG_FULL = 12
STOPPED_SPIN = 13
STOPPED_PASSED = 14
STOPPED_DELIVERED = 15

TABLE_BITS = 15
TABLE_ENTRIES = 1 << TABLE_BITS
ENTRY_WORDS = 11
"""Columns of the block table, direct-mapped by linear address."""
ENTRY_ADDRESS = 0
ENTRY_SIZE = 1
"""Size in bytes, or 0: nothing here."""
ENTRY_MODE = 2
"""CS32 and CS64 bits of hflags."""
ENTRY_EPOCH = 3
ENTRY_INSTRUCTIONS = 4
ENTRY_SAFE = 5
"""Instructions before the first sensitive one (all, where there is none)."""
ENTRY_FLAGS = 6
ENTRY_BLOCK = 7
ENTRY_FIRST_PAGE = 8
ENTRY_LAST_PAGE = 9
"""Physical addresses of the first and of the last byte."""
ENTRY_PLAIN = 10
"""Number of instructions where the block can only run whole and needs no other care; else 0."""

ENDS_IN_PAUSE = 1
ENDS_IN_IRET = 2
CHANGES_MAPPING = 4
ENDS_IN_INT = 64
"""The block ends in INT n of two bytes."""
READS_TIME = 8
READS_TIME_AUX = 16
"""The block is RDTSC, or RDTSCP, without prefixes."""
HAS_REST = 32
"""ENTRY_SAFE ends before an instruction at which the core rests, see `BlockStore.rest_at`."""

LOG_COUNT = 0
LOG_CAPACITY = 1
LOG_WORDS = 2
LOG_LAST = 3
LOG_OVERFLOW = 4
LOG_FIRST = 5
LOG_OPERANDS = 6
LOG_MEMORY_END = 7
LOG_HEAD_WORDS = 8
"""The head of the log that all cores share: words used, words there are, their host address, where
the last block record begins, whether a record found no room, host addresses of the first
instruction of each block and of the operands of each instruction, and the end of RAM."""
LOG_RESERVE = 1 << 17
"""Words that must be free when a block begins: its accesses cannot stop it."""

RECORD_BLOCK = 0
RECORD_ACCESS = 1
RECORD_SYSTEM = 2
RECORD_REGISTER = 3
"""Kinds of records, bits 1:0 of the first word.

    block     bits 3:2 CPL, 14:4 core, 15 IF at its start, 16 up block number;
              instructions executed
    access    bit 2 write, bit 4 part of an access that crosses a page, 15:8 size,
              16 up index in block;  physical, value, linear (or -1)
    system    bit 2 write, bit 3 delivery, bit 5 page walk, 15:8 size, 16 up core;
              physical, value, linear, rip
    register  bit 3 not an instruction's, 15:8 register, 16 up index in block;  value
"""
RECORD_WRITE = 4
RECORD_DELIVERY = 8
RECORD_CROSSING = 16
RECORD_PAGE_WALK = 32
RECORD_IF = 1 << 15
RECORD_CORES = 0x7FF

MODE_MASK = 0x8010
"""CS64 and CS32 bits of the engine's hflags."""
