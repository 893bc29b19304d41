; From the boot information to the managed memory.
; Source: Multiboot 0.6.96, "Boot information format".

.code64

.set BOOT_FLAGS, 0
.set BOOT_MEMORY_UPPER, 8
.set BOOT_COMMAND_LINE, 16
.set BOOT_MODULES_COUNT, 20
.set BOOT_MODULES, 24
.set BOOT_MAP_LENGTH, 44
.set BOOT_MAP, 48
.set BOOT_LOADER_NAME, 64
.set BOOT_INFORMATION_BYTES, 120
.set BOOT_HAS_MEMORY, 0x001
.set BOOT_HAS_COMMAND_LINE, 0x004
.set BOOT_HAS_MODULES, 0x008
.set BOOT_HAS_MAP, 0x040
.set BOOT_HAS_LOADER_NAME, 0x200

.set MAP_BASE, 4
.set MAP_LENGTH, 12
.set MAP_TYPE, 20
.set MAP_AVAILABLE, 1

.set MODULE_END, 4
.set MODULE_STRING, 8
.set MODULE_BYTES, 16

.set FRAME_1_MEBIBYTE, 0x100
.set FRAME_IMAGE, IMAGE_BASE >> 12
.set FRAME_BSS_END, BSS_END >> 12
.set FRAME_DEVICES, DEVICE_BASE >> 12

; memory_map_read - fills pmm_managed: available memory from 1 MiB to DEVICE_BASE, without what is
; reserved, the image, the modules and the boot information itself.
; In: multiboot_information. Out: pmm_managed, pmm_managed_count. Clobbers: rax rcx rdx rsi rdi
; r8-r11. Lock: none (one core runs). IF: any.
memory_map_read:
    push rbx
    mov rbx, [multiboot_information]
    mov qword ptr [pmm_managed_count], 0
    test dword ptr [rbx + BOOT_FLAGS], BOOT_HAS_MAP
    jz memory_map_absent
    mov edi, 1
    call memory_map_apply
    xor edi, edi
    call memory_map_apply
    jmp memory_map_reserve
memory_map_absent:
    test dword ptr [rbx + BOOT_FLAGS], BOOT_HAS_MEMORY
    jz memory_map_reserve
    mov esi, [rbx + BOOT_MEMORY_UPPER]
    shr esi, 2                          ; KiB to frames
    add esi, FRAME_1_MEBIBYTE
    mov edi, FRAME_1_MEBIBYTE
    call region_add
memory_map_reserve:
    xor edi, edi
    mov esi, FRAME_1_MEBIBYTE
    call region_remove
    mov edi, FRAME_IMAGE
    mov esi, FRAME_BSS_END
    call region_remove
    mov edi, FRAME_DEVICES
    mov rsi, -1
    call region_remove
    call boot_information_reserve
    pop rbx
    ret

; memory_map_apply - adds all available entries of the map, or removes all others.
; In: rbx = boot information, edi = 1 to add, 0 to remove. Out: none. Clobbers: rax rcx rdx rsi rdi
; r8-r11. Lock: none. IF: any. Adding rounds inwards, removing outwards, to whole frames.
memory_map_apply:
    push r12
    push r13
    push r14
    mov r14d, edi
    mov r12d, [rbx + BOOT_MAP]
    mov r13d, [rbx + BOOT_MAP_LENGTH]
    add r13, r12
memory_map_entry:
    lea rax, [r12 + MAP_TYPE + 4]
    cmp rax, r13
    ja memory_map_applied
    mov rdi, [r12 + MAP_BASE]
    mov rsi, [r12 + MAP_LENGTH]
    add rsi, rdi
    jnc memory_map_end_known
    mov rsi, -1
memory_map_end_known:
    xor eax, eax
    cmp dword ptr [r12 + MAP_TYPE], MAP_AVAILABLE
    sete al
    cmp eax, r14d
    jne memory_map_next
    test eax, eax
    jz memory_map_remove
    call frame_round_up
    shr rsi, 12
    call region_add
    jmp memory_map_next
memory_map_remove:
    call bytes_remove
memory_map_next:
    mov eax, [r12]
    lea r12, [r12 + rax + 4]
    jmp memory_map_entry
memory_map_applied:
    pop r14
    pop r13
    pop r12
    ret

; frame_round_up - the first frame at or above an address.
; In: rdi = address. Out: rdi = frame. Clobbers: rax. Lock: none. IF: any.
frame_round_up:
    mov rax, rdi
    shr rdi, 12
    test eax, PAGE_BYTES - 1
    jz frame_rounded
    inc rdi
frame_rounded:
    ret

; bytes_remove - takes every frame that a span of bytes touches out of the set.
; In: rdi = first address, rsi = first address behind. Out: none. Clobbers: rax rcx rdx rsi rdi
; r8-r11. Lock: none. IF: any.
bytes_remove:
    cmp rdi, rsi
    jae bytes_removed
    xchg rdi, rsi
    call frame_round_up
    xchg rdi, rsi
    shr rdi, 12
    call region_remove
bytes_removed:
    ret

; string_remove - bytes_remove of a zero-terminated string.
; In: edi = address. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: none. IF: any.
string_remove:
    mov edi, edi
    mov rsi, rdi
string_remove_next:
    inc rsi
    cmp byte ptr [rsi - 1], 0
    jne string_remove_next
    jmp bytes_remove

; boot_information_reserve - takes out what the loader left: information, map, strings, modules.
; In: rbx = boot information. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: none. IF: any.
boot_information_reserve:
    push r12
    push r13
    mov rdi, rbx
    lea rsi, [rbx + BOOT_INFORMATION_BYTES]
    call bytes_remove
    test dword ptr [rbx + BOOT_FLAGS], BOOT_HAS_MAP
    jz boot_reserve_command_line
    mov edi, [rbx + BOOT_MAP]
    mov esi, [rbx + BOOT_MAP_LENGTH]
    add rsi, rdi
    call bytes_remove
boot_reserve_command_line:
    test dword ptr [rbx + BOOT_FLAGS], BOOT_HAS_COMMAND_LINE
    jz boot_reserve_loader_name
    mov edi, [rbx + BOOT_COMMAND_LINE]
    call string_remove
boot_reserve_loader_name:
    test dword ptr [rbx + BOOT_FLAGS], BOOT_HAS_LOADER_NAME
    jz boot_reserve_modules
    mov edi, [rbx + BOOT_LOADER_NAME]
    call string_remove
boot_reserve_modules:
    test dword ptr [rbx + BOOT_FLAGS], BOOT_HAS_MODULES
    jz boot_reserve_done
    mov r12d, [rbx + BOOT_MODULES]
    mov r13d, [rbx + BOOT_MODULES_COUNT]
    mov rdi, r12
    mov rsi, r13
    shl rsi, 4                          ; MODULE_BYTES each
    add rsi, r12
    call bytes_remove
boot_reserve_module:
    test r13d, r13d
    jz boot_reserve_done
    mov edi, [r12]
    mov esi, [r12 + MODULE_END]
    call bytes_remove
    mov edi, [r12 + MODULE_STRING]
    test edi, edi
    jz boot_reserve_module_next
    call string_remove
boot_reserve_module_next:
    add r12, MODULE_BYTES
    dec r13d
    jmp boot_reserve_module
boot_reserve_done:
    pop r13
    pop r12
    ret
