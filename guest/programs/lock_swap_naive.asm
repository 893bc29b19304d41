; PMM workload under swap_naive: the handler marks itself busy, by plain stores.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_naive.asm"
.include "harness/lock.asm"
