; Every core allocates, fills, checks and frees memory while timers and IPIs interrupt all of them.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "harness/workload.asm"
