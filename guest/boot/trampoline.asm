; Where application processors start: real mode, CS:IP = TRAMPOLINE_BASE >> 4 : 0.

; The 16-bit part is copied to TRAMPOLINE_BASE and runs there; all of it is position independent
; but for the two words that name it. The rest runs in the image.
.set TRAMPOLINE_POINTER, trampoline_pointer - trampoline_start

.code16
; trampoline_start - real mode to protected mode.
; In: CS = TRAMPOLINE_BASE >> 4. Out: jumps to ap_entry32. Clobbers: ax ds. Lock: none. IF: 0.
.balign 16
trampoline_start:
    cli
    cld
    mov ax, cs
    mov ds, ax
    .byte 0x66, 0x0F, 0x01, 0x16        ; lgdt [trampoline_pointer], all 32 bits of the base
    .short TRAMPOLINE_POINTER
    mov eax, cr0
    or eax, CR0_PE
    mov cr0, eax
    .byte 0x66, 0xEA                    ; jmp SELECTOR_CODE32:ap_entry32
    .long ap_entry32
    .short SELECTOR_CODE32
trampoline_pointer:
    .short gdt_end - gdt - 1
    .long gdt
trampoline_end:

.code32
; ap_entry32 - protected mode; no stack yet.
; In: none. Out: goes on at ap_entry64. Clobbers: all. Lock: none. IF: 0.
ap_entry32:
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov ebx, ap_entry64
    jmp enter_long_mode

.code64
; ap_entry64 - an application processor in long mode: takes its own stack and sets itself up.
; In: none. Out: calls ap_main with edi = core id; halts for good if it returns. Clobbers: all.
; Lock: none. IF: 0; ap_main is called with IF = 1.
ap_entry64:
    mov edx, APIC_BASE
    mov edi, [rdx + APIC_ID]
    shr edi, 24
    cmp edi, MAX_CORES
    jae machine_halt
    mov esp, edi
    shl esp, CORE_AREA_SHIFT
    add esp, CORE_AREAS + CORE_STACK_TOP
    call core_init
    call apic_init
    mov rax, gs:[CORE_SELF]
    mov qword ptr [rax + CORE_ONLINE], 1
    call wait_release
    mov rax, gs:[CORE_SELF]
    mov edi, [rax + CORE_ID]
    call ap_main
    jmp machine_halt
