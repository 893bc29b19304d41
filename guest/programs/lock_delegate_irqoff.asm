; PMM workload under delegate_irqoff: two cores serve all, IF=0 while waiting.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/delegate_irqoff.asm"
.include "harness/lock.asm"
