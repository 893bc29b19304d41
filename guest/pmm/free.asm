; Release of pages, all or part of one allocated range.

.code64

; allocd_containing - finds the allocated range that contains another range.
; In: rdi = base frame, rsi = first frame behind it, both of any value with base < behind.
; Out: rax = address of the node, 0 if none. Clobbers: rcx rdx r8. Lock: the manager.
; IF: as the caller.
allocd_containing:
    push rdi
    mov rdx, rdi
    mov r8d, pmm_allocd_head
allocd_containing_next:
    mov edi, [r8]
    xor eax, eax
    test edi, edi
    jz allocd_containing_known
    call node_address
    lea r8, [rax + NODE_NEXT]
    mov ecx, [rax + NODE_BASE]
    mov edi, [rax + NODE_COUNT]
    add rdi, rcx
    cmp rdi, rdx
    jbe allocd_containing_next          ; ends below: look further
    cmp rdx, rcx
    jb allocd_containing_none
    cmp rdi, rsi
    jae allocd_containing_known
allocd_containing_none:
    xor eax, eax
allocd_containing_known:
    pop rdi
    ret

; pmm_do_free - frees pages that lie wholly inside one allocated range.
; In: rdi = physical address, rsi = pages, any values. Out: rax = 0, or in this order of checks
; PMM_MISALIGNED, PMM_ZERO_COUNT, PMM_NOT_ALLOCATED, PMM_METADATA, PMM_NO_MEMORY; then nothing has
; changed but that a metadata page may have been taken (PMM_NO_MEMORY, success).
; Clobbers: rcx rdx rsi rdi r8-r11. Lock: the manager. IF: as the caller.
pmm_do_free:
    mov eax, PMM_MISALIGNED
    test edi, PAGE_BYTES - 1
    jnz pmm_free_return
    mov eax, PMM_ZERO_COUNT
    test rsi, rsi
    jz pmm_free_return
    push rbx
    push r12
    push r13
    push r14
    mov rbx, rdi
    shr rbx, 12
    mov r12, rsi
    mov r14d, PMM_NOT_ALLOCATED
    mov r13, rbx
    add r13, rsi                        ; first frame behind
    jc pmm_free_done
    mov rdi, rbx
    mov rsi, r13
    call allocd_containing
    test rax, rax
    jz pmm_free_done
    mov r14d, PMM_METADATA
    mov edi, ebx
    mov rsi, r13
    call metadata_overlaps
    test eax, eax
    jnz pmm_free_done
    call metadata_secure
    mov rdi, rbx
    mov rsi, r13
    call allocd_containing              ; a new metadata page may have joined it
    mov r14, rax
    mov rdi, r14
    mov esi, ebx
    mov edx, r12d
    call free_slots_needed
    mov esi, eax
    call slots_available
    cmp eax, esi
    mov rdi, r14
    mov r14d, PMM_NO_MEMORY
    jl pmm_free_done
    mov esi, ebx
    mov edx, r12d
    call allocd_cut
    mov edi, pmm_free_head
    mov esi, ebx
    mov edx, r12d
    call range_insert
    xor r14d, r14d
pmm_free_done:
    mov eax, r14d
    pop r14
    pop r13
    pop r12
    pop rbx
pmm_free_return:
    ret

; free_slots_needed - slots that freeing a range takes from the next list.
; In: rdi = address of the allocated node that contains it, esi = base, edx = count.
; Out: eax = -1 (a slot is released first) .. 2. Clobbers: rcx rdx rdi r8-r11. Lock: the manager.
; IF: as the caller.
free_slots_needed:
    xor r11d, r11d
    lea ecx, [rsi + rdx]
    mov eax, [rdi + NODE_BASE]
    cmp eax, esi
    sete r11b                           ; 1 if a head is freed
    add eax, [rdi + NODE_COUNT]
    xor r8d, r8d
    cmp eax, ecx
    sete r8b                            ; 1 if a tail is freed
    add r11d, r8d
    mov eax, 1
    sub eax, r11d                       ; middle 1, one end 0, whole range -1
    mov r11d, eax
    mov edi, pmm_free_head
    call range_neighbours
    xor eax, eax
    test ecx, ecx
    sete al
    add eax, r11d
    ret

; allocd_cut - takes a range out of an allocated one; the left part keeps its node.
; In: rdi = address of the node, esi = base, edx = count, inside it; a slot is unused if both ends
; remain. Out: none. Clobbers: rax rcx rdx rsi rdi r8 r9 r10. Lock: the manager. IF: as the caller.
allocd_cut:
    mov r8d, [rdi + NODE_BASE]
    mov r9d, r8d
    add r9d, [rdi + NODE_COUNT]         ; the node's first frame behind
    lea r10d, [rsi + rdx]               ; the cut's first frame behind
    cmp r8d, esi
    jne allocd_cut_keeps_left
    cmp r9d, r10d
    jne allocd_cut_head
    mov rsi, rdi
    mov edi, pmm_allocd_head
    jmp range_remove
allocd_cut_head:
    mov [rdi + NODE_BASE], r10d
    sub [rdi + NODE_COUNT], edx
    ret
allocd_cut_keeps_left:
    sub esi, r8d
    mov [rdi + NODE_COUNT], esi
    cmp r9d, r10d
    je allocd_cut_done
    mov rsi, rdi
    call slot_take
    mov [rdx + NODE_BASE], r10d
    sub r9d, r10d
    mov [rdx + NODE_COUNT], r9d
    mov ecx, [rsi + NODE_NEXT]
    mov [rdx + NODE_NEXT], ecx
    mov [rsi + NODE_NEXT], eax
allocd_cut_done:
    ret
