; Two cores write a word each, then read the other's: not both find 0 if all see stores at once.
; x86 allows 0 and 0, for want of a fence: there the exit value 1 says that a store was buffered.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/store_buffering.inc"
