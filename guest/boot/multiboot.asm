; The multiboot header and the 32-bit entry. Must come first: the header lies in the first 8 KiB.

.code32
image_start:
multiboot_header:
    .long MULTIBOOT_HEADER_MAGIC
    .long MULTIBOOT_FLAGS
    .long MULTIBOOT_CHECKSUM
    .long multiboot_header
    .long image_start
    .long image_end
    .long BSS_END
    .long boot_entry

; boot_entry - where the loader enters: protected mode, flat segments, paging off.
; In: eax = loader magic, ebx = boot information. Out: never returns.
; Clobbers: all. Lock: none. IF: 0 throughout.
boot_entry:
    cli
    cld
    cmp eax, MULTIBOOT_LOADER_MAGIC
    jne boot_refused
    mov eax, image_end
    cmp eax, BSS_BASE
    ja boot_refused
    mov esp, CORE_AREAS + CORE_STACK_TOP
    mov [multiboot_information], ebx
    call check_long_mode
    call build_page_tables
    mov ebx, boot_entry64
    jmp enter_long_mode

; check_long_mode - goes on only on a processor with long mode and no-execute pages.
; In: none. Out: returns if both exist. Clobbers: eax ebx ecx edx. Lock: none. IF: 0.
check_long_mode:
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb boot_refused
    mov eax, 0x80000001
    cpuid
    and edx, (1 << 29) | (1 << 20)
    cmp edx, (1 << 29) | (1 << 20)
    jne boot_refused
    ret

; boot_refused - ends the run: this machine or this loader cannot run the image.
; In: none. Out: never returns. Clobbers: eax. Lock: none. IF: 0.
boot_refused:
    mov eax, EXIT_BOOT
    out PORT_DEBUG_EXIT, eax
boot_refused_halt:
    cli
    hlt
    jmp boot_refused_halt
