; The rest of a program lock_...: the workload of the memory manager, shorter than in pmm_smp, under
; the protocol the program has included.

.set LOCK_PROGRAM, 1                    ; what pmm/verdict.asm calls it
.set ITERATIONS, 100

.include "harness/workload.asm"
