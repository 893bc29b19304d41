; PMM workload under mcs: an MCS queue lock.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/mcs.asm"
.include "harness/lock.asm"
