; PMM workload under tas_irqon: a lock held with IF=1 that interrupt handlers take too.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/tas_irqon.asm"
.include "harness/lock.asm"
