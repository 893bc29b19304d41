; A flag stored before its data: broken if a core is stopped between the two, one place in 100,000.
; Core 1 stores, with work in registers before and after; core 0 works, looks once, works. All it
; takes is that core 1 is stopped between the two stores and core 0 then gets from its first load to
; its second; core 0 ends the run with 1 if it has found the flag without the data.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"

.set WINDOW_ROUNDS, 25000               ; of two instructions, before and after

.include "litmus/begin.inc"
    mov ecx, WINDOW_ROUNDS
    cmp ebx, 1
    ja explore_until
    je window_publish
window_before_look:
    dec ecx
    jnz window_before_look
    mov edx, [window_flag]
    mov eax, [window_data]
    mov ecx, WINDOW_ROUNDS
window_after_look:
    dec ecx
    jnz window_after_look
    cmp eax, edx
    jae explore_until                   ; data, or no flag
    mov eax, 1
    jmp litmus_exit
window_publish:
    dec ecx
    jnz window_publish
    mov dword ptr [window_flag], 1
window_open:                            ; the only place
    mov dword ptr [window_data], 1
    mov ecx, WINDOW_ROUNDS
window_after_publish:
    dec ecx
    jnz window_after_publish
.include "litmus/end.inc"

; litmus_judge - who comes here has not found the flag without the data.
; In: none. Out: eax = 0. Clobbers: none. Lock: none. IF: any.
litmus_judge:
    xor eax, eax
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
window_flag: .long 0
.balign 64
window_data: .long 0
.include "boot/end.asm"
