; The kernel every program starts with: first line of a program after its description.
; The program supplies main (IF = 1, returns the exit value in eax), chooses a protocol
; (.include "locks/..."), and closes with boot/data.asm, its own data, boot/end.asm.

.include "boot/memory_map.inc"
.include "boot/constants.inc"
.include "boot/multiboot.asm"
.include "boot/paging.asm"
.include "boot/long_mode.asm"
.include "boot/core.asm"
.include "boot/serial.asm"
.include "interrupts/vectors.inc"
.include "interrupts/stubs.asm"
.include "interrupts/dispatch.asm"
.include "interrupts/idt.asm"
.include "interrupts/pic.asm"
.include "interrupts/apic.asm"
.include "interrupts/exceptions.asm"
