; Every core allocates one frame and frees it, under swap_xchg.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "pmm/pmm.asm"

.set LITMUS_PREPARE, 1
.include "litmus/begin.inc"
    mov edi, 1
    call pmm_alloc
    mov rdi, rax
    mov esi, 1
    call pmm_free                       ; refuses the 0 of a failed allocation
.include "litmus/end.inc"

; litmus_prepare - starts the manager.
; In: none. Out: none; without memory every operation fails. Clobbers: as pmm_init. Lock: none.
; IF: any.
litmus_prepare:
    jmp pmm_init

; litmus_judge - every operation must have succeeded and the manager be in order.
; In: r13d = core_count - 1. Out: eax = 0, or not. Clobbers: all. Lock: none is needed: all is over.
; IF: any.
litmus_judge:
    mov eax, 1
pmm_judge_next:
    cmp qword ptr [r13 * 8 + litmus_results], 0
    jne pmm_judged
    sub r13d, 1
    jae pmm_judge_next
    jmp pmm_check
pmm_judged:
    ret

.include "boot/data.asm"
.include "pmm/data.asm"
.include "litmus/data.inc"
.include "boot/end.asm"
