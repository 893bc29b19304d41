; Every core writes and reads two words of its own, of which nobody else knows.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    mov ecx, ebx
    shl ecx, 6
    lea ecx, [rcx + independent_words]  ; a cache line for each core
    lea edx, [rbx + 1]
    mov [rcx], edx
    mov eax, [rcx]
    inc eax
    mov [rcx + 4], eax
    mov eax, [rcx + 4]
.include "litmus/end.inc"

; litmus_judge - each core must have found its id plus two.
; In: r13d = core_count - 1. Out: eax = 0 or 1. Clobbers: rcx r13. Lock: none. IF: any.
litmus_judge:
    mov eax, 1
independent_judge_next:
    lea ecx, [r13 + 2]
    cmp [r13 * 8 + litmus_results], rcx
    jne independent_judged
    sub r13d, 1
    jae independent_judge_next
    xor eax, eax
independent_judged:
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
independent_words: .fill 2048, 1, 0     ; MAX_CORES of 64 bytes
.include "boot/end.asm"
