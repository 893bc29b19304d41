"""Rates of the clocks, all derived from one virtual time.

Virtual time is counted in ticks of the time-stamp counter: retired instructions of the machine
times the configured ticks per instruction. Nominal rates are fixed so that every guest sees the
same relation between its clocks on every host.
"""

TICKS_PER_SECOND = 1_000_000_000
"""Nominal TSC rate; the local APIC timer counts the same ticks, divided by its divide register."""
PIT_HERTZ = 1_193_182
"""Input clock of the 8254, as on a PC."""
