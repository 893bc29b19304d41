; The rest of a program pair_...: every core does one operation under the protocol the program has
; included, in as few instructions as possible; everything behind the kernel, boot/smp.asm and the
; protocol. It ends the program. Two cores are meant, any number works.
;
; Between explore_from, which every core passes once, and the end there are no timers and no output.

.ifdef PROTOCOL_SECOND
.include "harness/second.asm"
.endif

.code64
; main - registers the handler, starts the cores, and goes on as they do.
; In: none. Out: as ap_main. Clobbers: all. Lock: none. IF: 1.
main:
    mov edi, VECTOR_PMM
    mov esi, pair_interrupt
    call register_exclusive_handler
.ifdef PROTOCOL_SECOND
    call second_register
.endif
.ifdef PROTOCOL_IN_INTERRUPTS
    mov edi, VECTOR_IPI
    mov esi, pair_ipi_interrupt
    call register_handler
.endif
    protocol_start
    call start_aps
    xor edi, edi

; ap_main - one operation; core 0 then judges, the others halt and take interrupts.
; In: edi = core id. Out: never returns; exit value 0 if no operation was lost, else 1.
; Clobbers: all. Lock: taken and given inside. IF: 1.
; With PROTOCOL_IN_INTERRUPTS each core also has the next one do an operation in an IPI's handler,
; with PROTOCOL_SECOND core 0's operation is one on the second resource.
ap_main:
    mov ebx, edi
.ifdef PROTOCOL_IN_INTERRUPTS
    lea r12d, [rbx + 1]
    xor eax, eax
    cmp r12d, [core_count]
    cmovae r12d, eax
    shl r12d, 24                        ; the next core as the ICR wants it
    mov r13d, APIC_BASE
.endif
    mov edi, pair_barrier
    mov esi, 1
    call barrier_wait
explore_from:
.ifdef PROTOCOL_IN_INTERRUPTS
    mov [r13 + APIC_ICR_HIGH], r12d
    mov dword ptr [r13 + APIC_ICR_LOW], ICR_FIXED + VECTOR_IPI
.endif
.ifdef PROTOCOL_SECOND
    test ebx, ebx
    jnz pair_operation
    int VECTOR_SECOND
    jmp pair_over
.endif
pair_operation:
    xor eax, eax
    int VECTOR_PMM
    cmp rax, PROTOCOL_BUSY
    je pair_busy
pair_over:
explore_until:                          ; a core is done; it still takes interrupts
    lock inc dword ptr [pair_done]
    test ebx, ebx
    jz pair_wait
pair_halt:
    hlt
    jmp pair_halt
pair_busy:
    pause
    jmp pair_operation
pair_wait_more:
    pause
pair_wait:
    mov ecx, [core_count]
.ifdef PROTOCOL_IN_INTERRUPTS
    add ecx, ecx
.endif
    cmp [pair_done], ecx
    jne pair_wait_more
pair_judge:
    mov eax, [pair_first]
    mov edx, [pair_last]
.ifdef PROTOCOL_SECOND
    add eax, [second_first]
    add edx, [second_last]
.endif
    sub eax, ecx
    sub edx, ecx
    or eax, edx
    setnz al
    movzx eax, al
    out PORT_DEBUG_EXIT, eax
    jmp machine_halt

; pair_interrupt - handler of VECTOR_PMM: counts twice, in a way that loses counts if two cores do
; it at once.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: the protocol's, held. IF: the protocol's.
pair_interrupt:
pmm_enter:                              ; from here to pmm_exit no two cores may be at once
    mov eax, [pair_first]
    inc eax
    mov [pair_first], eax
    mov eax, [pair_last]
    inc eax
    mov [pair_last], eax
pmm_exit:
    ret

.ifdef PROTOCOL_IN_INTERRUPTS
; pair_ipi_interrupt - handler of VECTOR_IPI: the same operation, done on behalf of another core.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: the protocol's, held. IF: 0.
pair_ipi_interrupt:
    call pair_interrupt
    lock inc dword ptr [pair_done]
    ret
.endif

.include "boot/data.asm"
.balign 64
pair_barrier: .long 0
.balign 64
pair_done: .long 0
.balign 64
pair_first: .long 0
pair_last: .long 0
.ifdef PROTOCOL_SECOND
.include "harness/second_data.asm"
.endif
    protocol_data
.include "boot/end.asm"
