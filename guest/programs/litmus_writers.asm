; Every core writes its id plus one to one word, once.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    lea ecx, [rbx + 1]
    mov [writers_word], ecx
.include "litmus/end.inc"

; litmus_judge - the word must hold what one of the cores wrote.
; In: r13d = core_count - 1. Out: eax = 0 or 1. Clobbers: rcx. Lock: none. IF: any.
litmus_judge:
    mov ecx, [writers_word]
    dec ecx
    xor eax, eax
    cmp ecx, r13d
    seta al
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
writers_word: .long 0
.include "boot/end.asm"
