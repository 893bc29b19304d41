; Allocation: first fit from the lowest address.

.code64

; pmm_do_alloc - allocates contiguous pages.
; In: rdi = pages, any value. Out: rax = physical address, or 0 if the count is 0 or no free range
; is long enough; then nothing has changed but that a metadata page may have been taken.
; Clobbers: rcx rdx rsi rdi r8-r11. Lock: the manager. IF: as the caller.
pmm_do_alloc:
    xor eax, eax
    test rdi, rdi
    jz pmm_alloc_return
    push rbx
    push r12
    mov rbx, rdi
    call metadata_secure
    mov edi, pmm_free_head
pmm_alloc_fit:
    mov edi, [rdi]
    xor eax, eax
    test edi, edi
    jz pmm_alloc_done
    call node_address
    mov ecx, [rax + NODE_COUNT]
    lea rdi, [rax + NODE_NEXT]
    cmp rcx, rbx
    jb pmm_alloc_fit
    mov r12d, [rax + NODE_BASE]
    mov rdi, rax                        ; a page is free, so metadata_secure has left a slot
    mov esi, ebx
    call range_take_head
    mov edi, pmm_allocd_head
    mov esi, r12d
    mov edx, ebx
    call range_insert
    mov eax, r12d
    shl rax, 12
pmm_alloc_done:
    pop r12
    pop rbx
pmm_alloc_return:
    ret
