; Core 0 hands core 1 a word and gets it back plus one; both wait by plain polling.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    test r13d, r13d
    jz explore_until                    ; alone: nobody would answer
    cmp ebx, 1
    ja explore_until
    je spin_answer
    mov dword ptr [spin_data], 5
    mov dword ptr [spin_asked], 1
    xor eax, eax                        ; registers and flags as at the end of each round
spin_wait_answer:
    mov eax, [spin_answered]
    test eax, eax
    jz spin_wait_answer
    mov eax, [spin_data]
    jmp explore_until
spin_answer:
    xor eax, eax
spin_wait_question:
    mov eax, [spin_asked]
    test eax, eax
    jz spin_wait_question
    mov eax, [spin_data]
    inc eax
    mov [spin_data], eax
    mov dword ptr [spin_answered], 1
.include "litmus/end.inc"

; litmus_judge - with two cores, both must have had 6 last.
; In: r13d = core_count - 1. Out: eax = 0, or not. Clobbers: rcx. Lock: none. IF: any.
litmus_judge:
    xor eax, eax
    test r13d, r13d
    jz spin_judged
    mov eax, [litmus_results]
    mov ecx, [litmus_results + 8]
    xor eax, 6
    xor ecx, 6
    or eax, ecx
spin_judged:
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
spin_data: .long 0
.balign 64
spin_asked: .long 0
.balign 64
spin_answered: .long 0
.include "boot/end.asm"
