; PMM workload under freeze_naive: an IPI makes the others stand still.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/freeze_naive.asm"
.include "harness/lock.asm"
