; Every core increments one word by a load and a store, so that increments are lost.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    mov eax, [increments_word]
    inc eax
    mov [increments_word], eax
.include "litmus/end.inc"

; litmus_judge - between one increment and all of them must have come through.
; In: r13d = core_count - 1. Out: eax = 0 or 1. Clobbers: rcx. Lock: none. IF: any.
litmus_judge:
    mov ecx, [increments_word]
    dec ecx
    xor eax, eax
    cmp ecx, r13d
    seta al
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
increments_word: .long 0
.include "boot/end.asm"
