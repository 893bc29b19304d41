; PMM workload under ticket: a ticket lock.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/ticket.asm"
.include "harness/lock.asm"
