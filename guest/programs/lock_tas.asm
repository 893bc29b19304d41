; PMM workload under tas: a test-and-set lock.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/tas.asm"
.include "harness/lock.asm"
