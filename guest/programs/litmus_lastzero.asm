; Core i writes cell i-1 plus one to cell i; core 0 looks for the last cell that is zero.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "litmus/begin.inc"
    test ebx, ebx
    jz lastzero_look
    lea edx, [rbx * 4 + lastzero_cells]
    mov eax, [rdx - 4]
    inc eax
    mov [rdx], eax
    jmp explore_until
lastzero_look:
    mov eax, r13d                       ; from the last cell down; cell 0 is always zero
lastzero_look_next:
    mov ecx, [rax * 4 + lastzero_cells]
    test ecx, ecx
    jz explore_until
    dec eax
    jmp lastzero_look_next
.include "litmus/end.inc"

; litmus_judge - each cell must be 1 or one more than the cell before it, and core 0's result be
; the number of a cell.
; In: r13d = the last cell. Out: eax = 0 or 1. Clobbers: rcx rdx. Lock: none. IF: any.
litmus_judge:
    mov eax, 1
    cmp [litmus_results], r13
    ja lastzero_judged
    cmp dword ptr [lastzero_cells], 0
    jne lastzero_judged
    mov edx, lastzero_cells
    mov ecx, r13d
lastzero_judge_next:
    sub ecx, 1
    jb lastzero_sound
    mov edi, [rdx]
    add edx, 4
    cmp dword ptr [rdx], 1
    je lastzero_judge_next
    inc edi
    cmp [rdx], edi
    je lastzero_judge_next
lastzero_judged:
    ret
lastzero_sound:
    xor eax, eax
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
lastzero_cells: .fill 128, 1, 0         ; MAX_CORES of 4 bytes
.include "boot/end.asm"
