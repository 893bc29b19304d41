; Protocol cli_only: interrupts are off while a handler runs, and that is all there is.
;
; States: none; handles[vector] never changes.
; Who waits: nobody. IF = 0 from the prestub's cli to the iretq keeps this core's other handlers
; out, no other core.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - looks the handler up.
; In: edi = vector. Out: rax = the handler. Clobbers: rcx. Lock: takes none. IF: 0.
protocol_take:
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
    ret

; protocol_give - nothing was taken.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: gives none. IF: 0.
protocol_give:
    ret

.macro protocol_start
.endm

.macro protocol_data
.endm
