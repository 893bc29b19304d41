; One operation a core under swap_xchg: the handler pointer is the key, IF=0 while waiting.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "harness/pair.asm"
