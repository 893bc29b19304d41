; From protected mode to long mode, for the first core and for every other one.

.code32

; enter_long_mode - switches paging and long mode on.
; In: ebx = address of 64-bit code to go on at. Out: jumps there, flat segments, stack unchanged.
; Clobbers: eax ecx edx. Lock: none. IF: 0.
enter_long_mode:
    .byte 0x0F, 0x01, 0x15              ; lgdt [gdt_pointer], all 32 bits of the base
    .long gdt_pointer
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, PML4_TABLE
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME_NXE
    wrmsr
    mov eax, CR0_LONG_MODE
    mov cr0, eax
    .byte 0xEA                          ; jmp SELECTOR_CODE64:long_mode_segments
    .long long_mode_segments
    .short SELECTOR_CODE64

.code64
long_mode_segments:
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov ebx, ebx
    jmp rbx

; boot_entry64 - the first core in long mode: sets the machine up and calls the program.
; In: rsp = top of core 0's stack. Out: never returns; the value main returns ends the run.
; Clobbers: all. Lock: none. IF: 0; main is called with IF = 1 and every device masked.
boot_entry64:
    call serial_init
    call idt_build
    xor edi, edi
    call core_init
    call pic_init
    call apic_init
    call count_cores
    call interrupts_register
    mov rax, gs:[CORE_SELF]
    mov qword ptr [rax + CORE_ONLINE], 1
    sti
    call main
    mov edi, eax
    jmp machine_exit
