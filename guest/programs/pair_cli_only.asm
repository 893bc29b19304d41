; One operation a core under cli_only: interrupts off in the handler, no lock.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/cli_only.asm"
.include "harness/pair.asm"
