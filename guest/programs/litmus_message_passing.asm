; Core 0 writes data, then a flag; core 1 reads the flag, then the data; others rest.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    cmp ebx, 1
    ja explore_until
    je passing_receive
    mov dword ptr [passing_data], 1
    mov dword ptr [passing_flag], 1
    jmp explore_until
passing_receive:
    mov ecx, [passing_flag]
    mov edx, [passing_data]
    lea eax, [rdx + rcx * 2]            ; result: 2 for the flag, 1 for the data
.include "litmus/end.inc"

; litmus_judge - whoever found the flag must have found the data.
; In: r13d = core_count - 1. Out: eax = 0 or 1. Clobbers: none. Lock: none. IF: any.
litmus_judge:
    xor eax, eax
    cmp dword ptr [litmus_results + 8], 2
    sete al
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
passing_data: .long 0
.balign 64
passing_flag: .long 0
.include "boot/end.asm"
