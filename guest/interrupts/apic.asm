; The local APIC of the calling core, in xAPIC mode.

.code64

; apic_init - enables the local APIC: nothing masked by priority, LINT0 = ExtINT and LINT1 = NMI on
; core 0, both masked elsewhere, timer and error interrupts masked.
; In: GS base set. Out: none. Clobbers: rax rdx. Lock: none. IF: 0.
apic_init:
    mov edx, APIC_BASE
    mov dword ptr [rdx + APIC_SVR], APIC_ENABLED
    mov dword ptr [rdx + APIC_TPR], 0
    mov dword ptr [rdx + APIC_LVT_TIMER], APIC_MASKED
    mov dword ptr [rdx + APIC_LVT_ERROR], APIC_MASKED
    mov rax, gs:[CORE_SELF]
    cmp qword ptr [rax + CORE_ID], 0
    je apic_init_first
    mov dword ptr [rdx + APIC_LVT_LINT0], APIC_MASKED
    mov dword ptr [rdx + APIC_LVT_LINT1], APIC_MASKED
    ret
apic_init_first:
    mov dword ptr [rdx + APIC_LVT_LINT0], 0x700
    mov dword ptr [rdx + APIC_LVT_LINT1], 0x400
    ret

; apic_id - id of the calling core's local APIC.
; In: none. Out: eax = id. Clobbers: rdx. Lock: none. IF: any.
apic_id:
    mov edx, APIC_BASE
    mov eax, [rdx + APIC_ID]
    shr eax, 24
    ret

; apic_send - sends an inter-processor interrupt.
; In: edi = destination APIC id, esi = low word of the ICR. Out: none. Clobbers: rax rdx rdi.
; Lock: none. IF: 0 between the two writes of the ICR, then as before.
apic_send:
    pushfq
    cli
    mov edx, APIC_BASE
apic_send_wait:
    mov eax, [rdx + APIC_ICR_LOW]
    test eax, ICR_PENDING
    jz apic_send_idle
    pause
    jmp apic_send_wait
apic_send_idle:
    shl edi, 24
    mov [rdx + APIC_ICR_HIGH], edi
    mov [rdx + APIC_ICR_LOW], esi
    popfq
    ret

; apic_send_ipi - sends a fixed interrupt and counts it.
; In: edi = destination APIC id, esi = vector. Out: none. Clobbers: rax rdx rsi rdi.
; Lock: none. IF: any.
apic_send_ipi:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_IPIS_SENT]
    or esi, ICR_FIXED
    jmp apic_send
