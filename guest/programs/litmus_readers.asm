; Core 0 writes a word once, every other core reads it once.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    test ebx, ebx
    jnz readers_read
    mov dword ptr [readers_word], 1
    jmp explore_until
readers_read:
    mov eax, [readers_word]
.include "litmus/end.inc"

; litmus_judge - every reader must have found 0 or 1, and 1 be there now.
; In: r13d = readers. Out: eax = 0 or 1. Clobbers: r13. Lock: none. IF: any.
litmus_judge:
    mov eax, 1
    cmp [readers_word], eax
    jne readers_judged
readers_judge_next:
    cmp [r13 * 8 + litmus_results], rax
    ja readers_judged
    sub r13d, 1
    ja readers_judge_next
    xor eax, eax
readers_judged:
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
readers_word: .long 0
.include "boot/end.asm"
