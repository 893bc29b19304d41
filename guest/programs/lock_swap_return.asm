; PMM workload under swap_return: the handler pointer is the key, who finds none retries.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_return.asm"
.include "harness/lock.asm"
