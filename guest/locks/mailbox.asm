; What delegate and delegate_irqoff share: having a call served by the core that owns its vector.
;
; States of MAILBOX in each core's area: 0 (nothing asked, or served), or the frame of a call to be
; served: the core itself writes the frame, the owner writes 0 after the handler has run on it. The
; frame lies on the stack of the core that waits, and results go into it.
; The protocol supplies protocol_owner and the way to wait.

.code64

.set MAILBOX, CORE_PROTOCOL

; protocol_take - the handler for its owner, for others the way to have it run there.
; In: edi = vector. Out: rax = the handler, or mailbox_call. Clobbers: rcx. Lock: none: the owner is
; the only core that runs the handler, and IF = 0 keeps it from beginning twice. IF: 0.
protocol_take:
    call protocol_owner
    mov ecx, eax
    mov rax, gs:[CORE_SELF]
    cmp [rax + CORE_ID], rcx
    mov eax, mailbox_call
    jne protocol_taken
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
protocol_taken:
    ret

; protocol_give - nothing was taken.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: none. IF: 0.
protocol_give:
    ret

; mailbox_post - puts a call into the caller's mailbox and interrupts the owner.
; In: rdi = frame. Out: rax = the caller's area. Clobbers: rdx rsi rdi. Lock: none. IF: 0.
mailbox_post:
    mov rax, gs:[CORE_SELF]
    mov [rax + MAILBOX], rdi
    mov edi, [rdi + FRAME_VECTOR]
    call protocol_owner
    mov edi, eax
    mov esi, ICR_FIXED + VECTOR_PROTOCOL
    call apic_send
    mov rax, gs:[CORE_SELF]
    ret

; mailbox_interrupt - handler of VECTOR_PROTOCOL: serves all calls of which the core is the owner.
; In: rdi = frame. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: the vectors it owns.
; IF: 0.
; A call posted after its mailbox was looked at has an interrupt of its own still to come.
mailbox_interrupt:
    push rbx
    push r12
    push r13
    mov rax, gs:[CORE_SELF]
    mov r12, [rax + CORE_ID]
    xor ebx, ebx
mailbox_next:
    mov edi, ebx
    call core_area
    mov r13, rax
    mov rdi, [r13 + MAILBOX]
    test rdi, rdi
    jz mailbox_served
    mov edi, [rdi + FRAME_VECTOR]
    call protocol_owner
    cmp eax, r12d
    jne mailbox_served
    mov eax, edi
    mov rdi, [r13 + MAILBOX]
    call [rax * 8 + handles]
    mov qword ptr [r13 + MAILBOX], 0
mailbox_served:
    inc ebx
    cmp ebx, [core_count]
    jb mailbox_next
    pop r13
    pop r12
    pop rbx
    ret

.macro protocol_start
    mov edi, VECTOR_PROTOCOL
    mov esi, mailbox_interrupt
    call register_handler
.endm

.macro protocol_data
.endm
