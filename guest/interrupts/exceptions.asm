; What a vector means that nobody registered for.

.code64

; unhandled_interrupt - reports vector, error code, rip and core, and ends the run.
; In: rdi = frame. Out: never returns; exit value EXIT_EXCEPTION. Clobbers: all.
; Lock: takes exception_owner for good, and no other (the core may hold the serial lock): the first
; core reports, others halt, and a core that faults while it reports ends the run at once. IF: 0.
unhandled_interrupt:
    mov rbx, rdi
    mov rax, gs:[CORE_SELF]
    mov rcx, rax
    xor eax, eax
    lock cmpxchg [exception_owner], rcx
    je unhandled_report
    cmp rax, rcx
    jne machine_halt
    mov eax, EXIT_EXCEPTION
    out PORT_DEBUG_EXIT, eax
    jmp machine_halt
unhandled_report:
    mov edi, text_unhandled
    mov rsi, [rbx + FRAME_VECTOR]
    call print_field
    mov edi, text_error
    call print
    mov rdi, [rbx + FRAME_ERROR]
    call print_hexadecimal
    mov edi, text_rip
    call print
    mov rdi, [rbx + FRAME_RIP]
    call print_hexadecimal
    mov edi, text_cr2
    call print
    mov rdi, cr2
    call print_hexadecimal
    mov edi, text_core
    mov rax, gs:[CORE_SELF]
    mov rsi, [rax + CORE_ID]
    call print_field
    mov edi, 10
    call print_character
    mov edi, EXIT_EXCEPTION
    jmp machine_exit

text_unhandled: .asciz "UNHANDLED vector="
text_error: .asciz " error="
text_rip: .asciz " rip="
text_cr2: .asciz " cr2="
text_core: .asciz " core="
