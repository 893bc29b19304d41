; Every core raises divide errors, invalid opcodes, page faults, breakpoints and single steps.
.set IDT, 0x3000                ; 15 gates of 16 bytes
.set IS_READY, 0x4000           ; core 0 writes 1 when the IDT is complete
.set CORES_BEGUN, 0x4008
.set CORES_DONE, 0x4010
.set FAILURES, 0x4018           ; cores that counted something else
.set COUNTS, 0x5000             ; of each core 16 u64, one for each vector
.set COUNTS_SHIFT, 7
.set CODE_SELECTOR, 8
.set INTERRUPT_GATE, 0x8E00
.set ROUNDS, 100
.set UNMAPPED, 0x100000000      ; the first address behind the mapped 4 GiB

; _start - raises ROUNDS exceptions of each kind and counts them; core 0 ends the run once every core
; that has begun is done.
; In: edi = core id. Out: never returns. Clobbers: all. Lock: none. IF: 0.
_start:
    cli
    lock inc qword ptr [CORES_BEGUN]
    test edi, edi
    jnz start_wait
    mov ecx, 0
    mov rax, handle_divide_error
    call set_gate
    mov ecx, 1
    mov rax, handle_trap_1
    call set_gate
    mov ecx, 3
    mov rax, handle_trap_3
    call set_gate
    mov ecx, 6
    mov rax, handle_invalid_opcode
    call set_gate
    mov ecx, 14
    mov rax, handle_page_fault
    call set_gate
    mov dword ptr [IS_READY], 1
start_wait:
    pause
    cmp dword ptr [IS_READY], 1
    jne start_wait
    lidt [idt_pointer]
    mov r8d, edi
    shl r8d, COUNTS_SHIFT
    add r8d, COUNTS             ; this core's, for the handlers
    mov ebx, ROUNDS
start_round:
    xor ecx, ecx
    div ecx                     ; 2 bytes, skipped by the handler
    ud2                         ; 2 bytes
    mov rsi, UNMAPPED
    mov [rsi], al               ; 2 bytes
    int3
    pushfq
    or qword ptr [rsp], 0x100   ; TF
    popfq
    nop                         ; single steps behind it, and up to the POPFQ
    pushfq
    and qword ptr [rsp], 0xFFFFFFFFFFFFFEFF
    popfq
    dec ebx
    jnz start_round
    cmp qword ptr [r8 + 0 * 8], ROUNDS
    jne start_failed
    cmp qword ptr [r8 + 1 * 8], 4 * ROUNDS
    jne start_failed
    cmp qword ptr [r8 + 3 * 8], ROUNDS
    jne start_failed
    cmp qword ptr [r8 + 6 * 8], ROUNDS
    jne start_failed
    cmp qword ptr [r8 + 14 * 8], ROUNDS
    je start_done
start_failed:
    lock inc qword ptr [FAILURES]
start_done:
    lock inc qword ptr [CORES_DONE]
    test edi, edi
    jnz start_park
start_end:
    pause
    mov rax, [CORES_BEGUN]
    cmp rax, [CORES_DONE]
    jne start_end
    mov eax, [FAILURES]
    out 0xF4, al
start_park:
    hlt
    jmp start_park

; set_gate - makes a gate of the IDT.
; In: ecx = vector, rax = handler below 4 GiB. Out: none. Clobbers: rax rcx rdx. Lock: none. IF: 0.
set_gate:
    shl ecx, 4
    add ecx, IDT
    mov edx, eax
    and edx, 0xFFFF
    or edx, CODE_SELECTOR << 16
    mov [rcx], edx
    and eax, 0xFFFF0000
    or eax, INTERRUPT_GATE
    mov [rcx + 4], eax
    mov qword ptr [rcx + 8], 0
    ret

; Handlers: count the vector and go on, behind the instruction where it faults.
; In: the frame. Out: IRETQ. Clobbers: none. Lock: none. IF: 0.
handle_divide_error:
    inc qword ptr [r8 + 0 * 8]
    add qword ptr [rsp], 2
    iretq
handle_trap_1:
    inc qword ptr [r8 + 1 * 8]
    iretq
handle_trap_3:
    inc qword ptr [r8 + 3 * 8]
    iretq
handle_invalid_opcode:
    inc qword ptr [r8 + 6 * 8]
    add qword ptr [rsp], 2
    iretq
handle_page_fault:
    inc qword ptr [r8 + 14 * 8]
    add rsp, 8                  ; the error code
    add qword ptr [rsp], 2
    iretq

.balign 8
idt_pointer:
    .word 15 * 16 - 1
    .quad IDT
