; The two lists of ranges, free and allocd. A list is named by the address of its head.

.code64

; range_neighbours - finds where a range belongs in a list, and what it touches there.
; In: rdi = list, esi = base, edx = count; the range overlaps no range of the list.
; Out: rax = address of the last node below the range (0 = none), rdx = address of the node after
; (0 = none), ecx = 1 if the range touches the node below + 2 if it touches the node after,
; r8 = address of the link that leads to the node after. Clobbers: rdi r9 r10.
; Lock: the manager. IF: as the caller.
range_neighbours:
    mov r8, rdi
    lea r10, [rsi + rdx]                ; first frame behind the range
    xor r9d, r9d
range_neighbours_next:
    mov edi, [r8]
    xor eax, eax
    test edi, edi
    jz range_neighbours_found
    call node_address
    cmp [rax + NODE_BASE], esi
    jae range_neighbours_found
    mov r9, rax
    lea r8, [rax + NODE_NEXT]
    jmp range_neighbours_next
range_neighbours_found:
    mov rdx, rax
    mov rax, r9
    xor ecx, ecx
    test rax, rax
    jz range_neighbours_after
    mov edi, [rax + NODE_BASE]
    add edi, [rax + NODE_COUNT]
    cmp edi, esi
    jne range_neighbours_after
    mov ecx, 1
range_neighbours_after:
    test rdx, rdx
    jz range_neighbours_done
    cmp [rdx + NODE_BASE], r10d
    jne range_neighbours_done
    or ecx, 2
range_neighbours_done:
    ret

; range_insert - puts a range into a list, merged with what it touches.
; In: rdi = list, esi = base, edx = count; the range overlaps no range of the list; the next list
; is not empty unless the range touches a neighbour. Out: none.
; Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: the manager. IF: as the caller.
range_insert:
    mov r11d, edx
    call range_neighbours
    cmp ecx, 1
    je range_insert_below
    ja range_insert_after
    call slot_take
    mov [rdx + NODE_BASE], esi
    mov [rdx + NODE_COUNT], r11d
    mov ecx, [r8]
    mov [rdx + NODE_NEXT], ecx
    mov [r8], eax
    ret
range_insert_below:
    add [rax + NODE_COUNT], r11d
    ret
range_insert_after:
    cmp ecx, 3
    je range_insert_both
    mov [rdx + NODE_BASE], esi
    add [rdx + NODE_COUNT], r11d
    ret
range_insert_both:
    add r11d, [rdx + NODE_COUNT]
    add [rax + NODE_COUNT], r11d
    mov ecx, [rdx + NODE_NEXT]
    mov [rax + NODE_NEXT], ecx
    mov edi, [rdx + NODE_SELF]
    jmp slot_release

; range_remove - takes a node off its list and releases its slot.
; In: rdi = list, rsi = address of a node on it. Out: none. Clobbers: rax rcx rdx rsi rdi r8.
; Lock: the manager. IF: as the caller.
range_remove:
    mov r8, rdi
range_remove_find:
    mov edi, [r8]
    call node_address
    cmp rax, rsi
    je range_remove_here
    lea r8, [rax + NODE_NEXT]
    jmp range_remove_find
range_remove_here:
    mov ecx, [rax + NODE_NEXT]
    mov [r8], ecx
    mov edi, [rax + NODE_SELF]
    jmp slot_release

; range_take_head - takes pages from the head of a free range; an empty range disappears.
; In: rdi = address of a node on the free list, esi = pages, at most its count.
; Out: none. Clobbers: rax rcx rdx rsi rdi r8. Lock: the manager. IF: as the caller.
range_take_head:
    cmp [rdi + NODE_COUNT], esi
    je range_take_whole
    add [rdi + NODE_BASE], esi
    sub [rdi + NODE_COUNT], esi
    ret
range_take_whole:
    mov rsi, rdi
    mov edi, pmm_free_head
    jmp range_remove

; range_pages - pages of all ranges of a list.
; In: rdi = list. Out: rax = pages. Clobbers: rcx rdx rdi. Lock: the manager. IF: as the caller.
range_pages:
    xor edx, edx
range_pages_next:
    mov edi, [rdi]
    test edi, edi
    jz range_pages_done
    call node_address
    mov ecx, [rax + NODE_COUNT]
    add rdx, rcx
    lea rdi, [rax + NODE_NEXT]
    jmp range_pages_next
range_pages_done:
    mov rax, rdx
    ret
