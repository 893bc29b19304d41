; Every core increments one word by one locked instruction.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    lock inc dword ptr [locked_word]
.include "litmus/end.inc"

; litmus_judge - no increment may be lost.
; In: r13d = core_count - 1. Out: eax = 0, or not. Clobbers: none. Lock: none. IF: any.
litmus_judge:
    mov eax, [locked_word]
    dec eax
    sub eax, r13d
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
locked_word: .long 0
.include "boot/end.asm"
