; One operation a core under ttas: a test-and-test-and-set lock.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/ttas.asm"
.include "harness/pair.asm"
