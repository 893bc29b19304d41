; The static IDT and the meaning every vector has at the start.

.set NMI_GATE_IST, IDT_BASE + (VECTOR_NMI << 4) + 4
.set DOUBLE_FAULT_GATE_IST, IDT_BASE + (VECTOR_DOUBLE_FAULT << 4) + 4

.code64

; idt_build - fills 256 interrupt gates; NMI and double fault get stacks of their own.
; In: none. Out: none. Clobbers: rax rcx rdi. Lock: none (one core runs). IF: 0.
idt_build:
    mov edi, IDT_BASE
    mov ecx, prestubs
idt_build_gate:
    mov eax, ecx
    and eax, 0xFFFF
    or eax, SELECTOR_CODE64 << 16
    mov [rdi], eax
    mov eax, ecx
    and eax, 0xFFFF0000
    or eax, 0x8E00                      ; present, interrupt gate
    mov [rdi + 4], eax
    mov qword ptr [rdi + 8], 0
    add ecx, 16
    add edi, 16
    cmp edi, IDT_BASE + PAGE_BYTES
    jb idt_build_gate
    mov byte ptr [NMI_GATE_IST], 1
    mov byte ptr [DOUBLE_FAULT_GATE_IST], 2
    ret

; interrupts_register - unhandled_interrupt for every vector, then the few that may be ignored.
; In: none. Out: none. Clobbers: rax rcx rdi rsi. Lock: none (one core runs). IF: 0.
interrupts_register:
    mov edi, handles
    mov ecx, 256
    mov eax, unhandled_interrupt
    rep stosq
    mov esi, ignored_interrupt
    mov edi, VECTOR_PIC_SPURIOUS_MASTER
    call register_handler
    mov edi, VECTOR_PIC_SPURIOUS_SLAVE
    call register_handler
    mov edi, VECTOR_SPURIOUS
    jmp register_handler

; ignored_interrupt - handler of spurious interrupts: counts them.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: none. IF: 0.
ignored_interrupt:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_SPURIOUS]
    ret
