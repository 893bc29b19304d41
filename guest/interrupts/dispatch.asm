; The handler finder: what a vector means is looked up at the moment it arrives.

.code64

; int_handle - finds the handler of a vector, calls it, acknowledges the interrupt controller.
; In: rdi = frame. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11.
; Lock: for exclusive vectors the protocol in force is held around the handler. IF: 0 throughout
; unless the protocol says otherwise.
int_handle:
    push rbx
    push r12
    push r13
    mov r12, rdi
    mov rbx, [rdi + FRAME_VECTOR]
    cmp byte ptr [rbx + exclusive_vectors], 0
    jne int_handle_exclusive
    call [rbx * 8 + handles]
    jmp int_handle_acknowledge
int_handle_exclusive:
    mov edi, ebx
    call protocol_take
    mov r13, rax
    mov rdi, r12
    call rax
    mov edi, ebx
    mov rsi, r13
    call protocol_give
int_handle_acknowledge:
    mov edi, ebx
    call interrupt_acknowledge
    pop r13
    pop r12
    pop rbx
    ret

; interrupt_acknowledge - tells the controller an interrupt came from that it has been handled.
; In: edi = vector. Out: none. Clobbers: rax rcx rdx. Lock: none. IF: 0.
; A software interrupt has no bit in the local APIC's ISR and sends no EOI; that is why vectors of
; int n are never sent by an APIC as well.
interrupt_acknowledge:
    cmp edi, VECTOR_PIC
    jb interrupt_acknowledged
    cmp edi, VECTOR_PIC_SPURIOUS_SLAVE
    jbe pic_acknowledge
    mov ecx, edi
    shr ecx, 5
    shl ecx, 4
    mov edx, APIC_BASE + APIC_ISR
    mov eax, [rdx + rcx]
    bt eax, edi
    jnc interrupt_acknowledged
    mov edx, APIC_BASE
    mov dword ptr [rdx + APIC_EOI], 0
interrupt_acknowledged:
    ret

; register_handler - changes what a vector means, for every core at once.
; In: edi = vector, rsi = handler. Out: rax = the handler before. Clobbers: none.
; Lock: none (one locked exchange). IF: any.
register_handler:
    movzx edi, dil                      ; a vector has 8 bits
    mov rax, rsi
    xchg rax, [rdi * 8 + handles]
    ret

; register_exclusive_handler - as register_handler, and the handler runs under the protocol.
; In: edi = vector, rsi = handler. Out: rax = the handler before. Clobbers: none.
; Lock: none; the vector must not be in use by any core meanwhile. IF: any.
register_exclusive_handler:
    call register_handler
    mov byte ptr [rdi + exclusive_vectors], 1
    ret
