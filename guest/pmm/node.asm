; Nodes and the list of unused slots.

.code64

; node_address - finds a node by walking the chain of metadata pages.
; In: edi = global index of an existing node. Out: rax = address. Clobbers: rcx rdi.
; Lock: the manager. IF: as the caller.
node_address:
    mov ecx, edi
    shr ecx, NODES_PER_PAGE_SHIFT
    mov eax, [pmm_first_page]
    shl rax, 12
node_address_page:
    test ecx, ecx
    jz node_address_slot
    mov eax, [rax + PAGE_NEXT_FRAME]
    shl rax, 12
    dec ecx
    jmp node_address_page
node_address_slot:
    movzx ecx, dil
    shl ecx, NODE_SHIFT
    add rax, rcx
    ret

; slot_take - takes the lowest unused slot.
; In: the next list is not empty. Out: eax = index, rdx = address of the node.
; Clobbers: rcx rdi. Lock: the manager. IF: as the caller.
slot_take:
    mov edi, [pmm_next_head]
    call node_address
    mov rdx, rax
    mov eax, [rdx + NODE_NEXT]
    mov [pmm_next_head], eax
    mov eax, [rdx + NODE_SELF]
    ret

; slot_release - puts a slot back into the next list, in order of its index.
; In: edi = index of a node on no list. Out: none. Clobbers: rax rcx rdx rsi rdi.
; Lock: the manager. IF: as the caller.
slot_release:
    push rbx
    mov ebx, edi
    mov rsi, pmm_next_head              ; the link that will point at the slot
slot_release_find:
    mov edi, [rsi]
    test edi, edi
    jz slot_release_here
    cmp edi, ebx
    ja slot_release_here
    call node_address
    lea rsi, [rax + NODE_NEXT]
    jmp slot_release_find
slot_release_here:
    mov edi, ebx
    call node_address
    mov edx, [rsi]
    mov [rax + NODE_NEXT], edx
    mov dword ptr [rax + NODE_BASE], 0
    mov dword ptr [rax + NODE_COUNT], 0
    mov [rsi], ebx
    pop rbx
    ret

; slots_available - how many unused slots there are, as far as any operation cares.
; In: none. Out: eax = 0, 1 or 2 (2 = two or more). Clobbers: rcx rdi. Lock: the manager.
; IF: as the caller.
slots_available:
    mov edi, [pmm_next_head]
    xor eax, eax
    test edi, edi
    jz slots_available_known
    call node_address
    mov ecx, [rax + NODE_NEXT]
    mov eax, 1
    test ecx, ecx
    jz slots_available_known
    mov eax, 2
slots_available_known:
    ret
