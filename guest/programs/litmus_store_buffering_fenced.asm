; As litmus_store_buffering with MFENCE between: not both find 0, anywhere.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.set STORE_BUFFERING_FENCE, 1
.include "litmus/store_buffering.inc"
