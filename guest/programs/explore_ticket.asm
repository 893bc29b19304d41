; Every core increments two words under a bare ticket lock, called directly.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/ticket.asm"
.include "litmus/begin.inc"
    mov edi, VECTOR_PMM                 ; any: one lock for all. IF = 1, but no interrupt comes
    call protocol_take
pmm_enter:                              ; from here to pmm_exit no two cores may be at once
    mov eax, [ticket_first]
    inc eax
    mov [ticket_first], eax
    mov ecx, [ticket_last]
    inc ecx
    mov [ticket_last], ecx
pmm_exit:
    call protocol_give
.include "litmus/end.inc"

; litmus_judge - no increment may be lost.
; In: r13d = core_count - 1. Out: eax = 0, or not. Clobbers: rdx. Lock: none. IF: any.
litmus_judge:
    mov eax, [ticket_first]
    mov edx, [ticket_last]
    inc r13d
    sub eax, r13d
    sub edx, r13d
    or eax, edx
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
ticket_first: .long 0
ticket_last: .long 0
.include "boot/end.asm"
