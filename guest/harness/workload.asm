; The rest of a program that runs the workload of the memory manager on every core: everything
; behind the kernel, boot/smp.asm and the protocol. It ends the program.

.include "pmm/pmm.asm"
.include "pmm/workload.asm"
.include "pmm/verdict.asm"
.ifdef PROTOCOL_SECOND
.include "harness/second.asm"
.endif

.code64
; main - starts manager and cores, works along, judges the run and reports it.
; In: none. Out: eax = 0 if everything was as it must be, else 1. Clobbers: all. Lock: none. IF: 1.
main:
    call pmm_init
    test eax, eax
    jnz main_no_memory
    call work_register
.ifdef PROTOCOL_SECOND
    call second_register
.endif
    protocol_start
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
.ifdef PROTOCOL_SECOND
.include "harness/second_data.asm"
.endif
    protocol_data
.include "boot/end.asm"
