; One operation a core under ticket: a ticket lock.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/ticket.asm"
.include "harness/pair.asm"
