; Start of the manager.

.code64

; pmm_init - reads the memory map, takes the lowest managed frame as metadata page 0, puts the rest
; on the free list, and makes the manager reachable through VECTOR_PMM.
; In: none. Out: eax = 0, or PMM_NO_MEMORY if there is no memory to manage.
; Clobbers: rcx rdx rsi rdi r8-r11. Lock: none (one core runs). IF: any.
pmm_init:
    push rbx
    push r12
    push r13
    call memory_map_read
    mov eax, PMM_NO_MEMORY
    cmp qword ptr [pmm_managed_count], 0
    je pmm_init_done
    mov edi, [pmm_managed]
    mov [pmm_first_page], edi
    xor esi, esi
    call metadata_format
    mov dword ptr [pmm_free_head], 0
    mov dword ptr [pmm_allocd_head], 0
    mov dword ptr [pmm_next_head], 1
    mov edi, pmm_allocd_head
    mov esi, [pmm_first_page]
    mov edx, 1
    call range_insert
    xor ebx, ebx
pmm_init_range:
    cmp rbx, [pmm_managed_count]
    jae pmm_init_ready
    mov rcx, rbx
    inc rbx
    call region_address
    mov r12d, [rax]
    mov r13d, [rax + 8]
    cmp r12d, [pmm_first_page]
    jne pmm_init_insert
    inc r12d
    dec r13d
    jz pmm_init_range
pmm_init_insert:
    call metadata_secure
    mov edi, pmm_free_head
    mov esi, r12d
    mov edx, r13d
    call range_insert
    jmp pmm_init_range
pmm_init_ready:
    mov edi, VECTOR_PMM
    mov esi, pmm_interrupt
    call register_exclusive_handler
    xor eax, eax
pmm_init_done:
    pop r13
    pop r12
    pop rbx
    ret
