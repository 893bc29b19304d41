; PMM workload under delegate: core 0 serves all, IF=1 while waiting.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/delegate.asm"
.include "harness/lock.asm"
