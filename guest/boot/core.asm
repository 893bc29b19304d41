; What every core sets up for itself: TSS, GS base, IDT register.

.code64

; core_area - address of a core's area.
; In: edi = core id. Out: rax = address. Clobbers: none. Lock: none. IF: any.
core_area:
    mov eax, edi
    shl eax, CORE_AREA_SHIFT
    add eax, CORE_AREAS
    ret

; core_init - fills the area, TSS and TSS descriptor of the calling core and loads GS, TR, IDTR.
; In: edi = core id, below MAX_CORES. Out: none. Clobbers: rax rcx rdx rsi rdi. Lock: none. IF: 0.
core_init:
    call core_area
    mov rsi, rax
    mov [rsi + CORE_SELF], rsi
    mov eax, edi
    mov [rsi + CORE_ID], rax
    lea rax, [rsi + CORE_STACK_TOP]
    mov [rsi + CORE_TSS + 4], rax       ; RSP0
    lea rax, [rsi + CORE_NMI_STACK_TOP]
    mov [rsi + CORE_TSS + 36], rax      ; IST1
    lea rax, [rsi + CORE_FAULT_STACK_TOP]
    mov [rsi + CORE_TSS + 44], rax      ; IST2
    mov dword ptr [rsi + CORE_TSS + 100], 104 << 16 ; I/O map base: none
    shl edi, 4
    lea rcx, [rdi + gdt_tss]
    lea rax, [rsi + CORE_TSS]           ; below 16 MiB: base bits 31:24 are 0
    mov edx, eax
    shl edx, 16
    or edx, 103
    mov [rcx], edx
    shr eax, 16
    or eax, 0x8900                      ; present, available 64-bit TSS
    mov [rcx + 4], eax
    mov qword ptr [rcx + 8], 0
    lea eax, [rdi + SELECTOR_TSS]
    ltr ax
    lidt [idt_pointer]
    mov eax, esi
    xor edx, edx
    mov ecx, MSR_GS_BASE
    wrmsr
    ret

; count_cores - finds how many logical processors the package has; sets core_count.
; In: none. Out: eax = count, 1..MAX_CORES. Clobbers: rcx rdx. Lock: none. IF: any.
; Source: SDM volume 2A, CPUID leaf 1: EBX[23:16] counts when EDX.HTT (bit 28) is set.
count_cores:
    push rbx
    mov eax, 1
    cpuid
    mov eax, 1
    test edx, 1 << 28
    jz count_cores_known
    shr ebx, 16
    movzx ecx, bl
    test ecx, ecx
    cmovne eax, ecx
    mov ecx, MAX_CORES
    cmp eax, ecx
    cmova eax, ecx
count_cores_known:
    mov [core_count], eax
    pop rbx
    ret
