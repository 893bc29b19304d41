; All invariants of the manager, checked by the guest itself. Call it only while no operation is in
; progress and none can begin.

.code64

; pmm_check - checks the metadata chain, the three lists and the ranges.
; In: none. Out: eax = 0, or the PMM_CHECK_ code of the first thing found wrong.
; Clobbers: rcx rdx rsi rdi r8-r11. Lock: the manager. IF: as the caller.
pmm_check:
    push rbx
    push r12
    call check_chain
    test eax, eax
    jnz pmm_checked
    xor r12d, r12d                      ; nodes met
    mov edi, pmm_free_head
    call check_ranges
    test eax, eax
    jnz pmm_checked
    mov edi, pmm_allocd_head
    call check_ranges
    test eax, eax
    jnz pmm_checked
    call check_slots
    test eax, eax
    jnz pmm_checked
    imul rcx, rbx, NODES_PER_PAGE - 1
    mov eax, PMM_CHECK_SLOTS
    cmp rcx, r12
    jne pmm_checked
    call check_conservation
    test eax, eax
    jnz pmm_checked
    call check_metadata
pmm_checked:
    pop r12
    pop rbx
    ret

; check_chain - every metadata page is managed memory and carries its place in the chain.
; In: none. Out: eax = 0 or code, rbx = pages. Clobbers: rcx rdx rdi r8. Lock, IF: as pmm_check.
check_chain:
    xor ebx, ebx
    mov r8d, [pmm_first_page]
check_chain_next:
    mov edi, r8d
    call region_contains
    test eax, eax
    jz check_chain_wrong
    shl r8, 12
    cmp [r8 + PAGE_ORDINAL], ebx
    jne check_chain_wrong
    inc ebx
    mov r8d, [r8 + PAGE_NEXT_FRAME]
    test r8d, r8d
    jnz check_chain_next
    xor eax, eax
    ret
check_chain_wrong:
    mov eax, PMM_CHECK_METADATA
    ret

; check_node - follows a link, if it leads to a node.
; In: edi = index, rbx = metadata pages. Out: rax = address, 0 if it is no node's index or the node
; does not know itself by it. Clobbers: rcx rdx rdi. Lock, IF: as pmm_check.
check_node:
    xor eax, eax
    mov edx, edi
    shr edx, NODES_PER_PAGE_SHIFT
    cmp edx, ebx
    jae check_node_known
    test edi, NODES_PER_PAGE - 1
    jz check_node_known
    mov edx, edi
    call node_address
    cmp [rax + NODE_SELF], edx
    je check_node_known
    xor eax, eax
check_node_known:
    ret

; check_ranges - a list of ranges: links, order, nothing empty, nothing touching.
; In: rdi = list, rbx = metadata pages, r12 = nodes met. Out: eax = 0 or code, r12 counted on.
; Clobbers: rcx rdx rdi r8 r9. Lock, IF: as pmm_check.
check_ranges:
    mov r8, rdi
    xor r9d, r9d                        ; end of the range before; nothing ends at 0
check_ranges_next:
    mov edi, [r8]
    xor eax, eax
    test edi, edi
    jz check_ranges_known
    call check_node
    mov rdx, rax
    mov eax, PMM_CHECK_LINK
    test rdx, rdx
    jz check_ranges_known
    inc r12
    mov ecx, [rdx + NODE_BASE]
    mov eax, PMM_CHECK_ORDER
    cmp rcx, r9
    jb check_ranges_known
    mov eax, PMM_CHECK_COALESCED
    je check_ranges_known
    mov r9d, [rdx + NODE_COUNT]
    mov eax, PMM_CHECK_SLOTS
    test r9d, r9d
    jz check_ranges_known
    add r9, rcx
    lea r8, [rdx + NODE_NEXT]
    jmp check_ranges_next
check_ranges_known:
    ret

; check_slots - the next list: links, order, every slot empty.
; In: rbx = metadata pages, r12 = nodes met. Out: eax = 0 or code, r12 counted on.
; Clobbers: rcx rdx rdi r8 r9. Lock, IF: as pmm_check.
check_slots:
    mov r8d, pmm_next_head
    xor r9d, r9d
check_slots_next:
    mov edi, [r8]
    xor eax, eax
    test edi, edi
    jz check_slots_known
    mov eax, PMM_CHECK_ORDER
    cmp edi, r9d
    jbe check_slots_known
    mov r9d, edi
    call check_node
    mov rdx, rax
    mov eax, PMM_CHECK_LINK
    test rdx, rdx
    jz check_slots_known
    inc r12
    mov eax, PMM_CHECK_SLOTS
    cmp dword ptr [rdx + NODE_COUNT], 0
    jne check_slots_known
    lea r8, [rdx + NODE_NEXT]
    jmp check_slots_next
check_slots_known:
    ret

; check_conservation - free and allocated ranges together tile the managed memory exactly.
; In: lists already found sound. Out: eax = 0 or code. Clobbers: rcx rdx rsi rdi r8-r11.
; Lock, IF: as pmm_check.
check_conservation:
    mov r8d, [pmm_free_head]
    mov r9d, [pmm_allocd_head]
    xor esi, esi                        ; place in pmm_managed
check_conservation_range:
    cmp rsi, [pmm_managed_count]
    jae check_conservation_end
    mov rcx, rsi
    call region_address
    mov r10, [rax]                      ; next frame to account for
    mov r11, [rax + 8]
    add r11, r10                        ; end of this managed range
    inc rsi
check_conservation_tile:
    cmp r10, r11
    je check_conservation_range
    ja check_conservation_wrong
    test r8d, r8d
    jz check_conservation_allocd
    mov edi, r8d
    call node_address
    cmp [rax + NODE_BASE], r10d
    jne check_conservation_allocd
    mov r8d, [rax + NODE_NEXT]
    jmp check_conservation_advance
check_conservation_allocd:
    test r9d, r9d
    jz check_conservation_wrong
    mov edi, r9d
    call node_address
    cmp [rax + NODE_BASE], r10d
    jne check_conservation_wrong
    mov r9d, [rax + NODE_NEXT]
check_conservation_advance:
    mov ecx, [rax + NODE_COUNT]
    add r10, rcx
    jmp check_conservation_tile
check_conservation_end:
    or r8d, r9d
    jnz check_conservation_wrong
    xor eax, eax
    ret
check_conservation_wrong:
    mov eax, PMM_CHECK_CONSERVATION
    ret

; check_metadata - every metadata page is inside an allocated range.
; In: lists already found sound. Out: eax = 0 or code. Clobbers: rcx rdx rsi rdi r8 r9.
; Lock, IF: as pmm_check.
check_metadata:
    mov r9d, [pmm_first_page]
check_metadata_next:
    mov edi, r9d
    lea rsi, [rdi + 1]
    call allocd_containing
    test rax, rax
    jz check_metadata_wrong
    shl r9, 12
    mov r9d, [r9 + PAGE_NEXT_FRAME]
    test r9d, r9d
    jnz check_metadata_next
    xor eax, eax
    ret
check_metadata_wrong:
    mov eax, PMM_CHECK_METADATA
    ret
