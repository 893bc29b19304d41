; PMM workload under freeze_ordered: an IPI makes the others stand still, lowest id first.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/freeze_ordered.asm"
.include "harness/lock.asm"
