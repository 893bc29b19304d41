; Every core allocates, fills, checks and frees memory while timers and IPIs interrupt all of them.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "pmm/pmm.asm"
.include "pmm/workload.asm"
.include "pmm/verdict.asm"

.code64
; main - starts manager and cores, works along, judges the run and reports it.
; In: none. Out: eax = 0 if everything was as it must be, else 1. Clobbers: all. Lock: none. IF: 1.
main:
    call pmm_init
    test eax, eax
    jnz main_no_memory
    call work_register
    call start_aps
    xor edi, edi
    call work
    call work_verdict
    mov rbx, rax
    call work_report
    mov rdi, rbx
    jmp work_print_verdict
main_no_memory:
    mov edi, text_no_memory
    jmp work_print_verdict

; ap_main - works.
; In: edi = core id. Out: returns into the halt of ap_entry64. Clobbers: all. Lock: none. IF: 1.
ap_main:
    jmp work

.include "boot/data.asm"
.include "pmm/data.asm"
.include "pmm/workload_data.asm"
.include "boot/end.asm"
