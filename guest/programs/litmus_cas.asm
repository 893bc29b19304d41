; Every core increments one word by compare and exchange, again until it succeeds.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    mov eax, [cas_word]
cas_again:
    lea edx, [rax + 1]
    lock cmpxchg [cas_word], edx        ; if it fails, eax = what is there
    jnz cas_again
.include "litmus/end.inc"

; litmus_judge - no increment may be lost.
; In: r13d = core_count - 1. Out: eax = 0, or not. Clobbers: none. Lock: none. IF: any.
litmus_judge:
    mov eax, [cas_word]
    dec eax
    sub eax, r13d
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
cas_word: .long 0
.include "boot/end.asm"
