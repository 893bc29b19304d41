; Metadata pages: taken from the managed memory itself, when slots run low.

.code64

; metadata_format - makes a frame a metadata page: slot 0, then 255 linked unused slots.
; In: edi = frame, esi = ordinal. Out: none. Clobbers: rax rcx rdi. Lock: the manager.
; IF: as the caller.
metadata_format:
    shl rdi, 12
    mov dword ptr [rdi + PAGE_NEXT_FRAME], 0
    mov [rdi + PAGE_ORDINAL], esi
    mov qword ptr [rdi + 8], 0
    mov ecx, esi
    shl ecx, NODES_PER_PAGE_SHIFT
    mov eax, NODES_PER_PAGE - 1
metadata_format_slot:
    add rdi, NODE_BYTES
    inc ecx
    mov qword ptr [rdi + NODE_BASE], 0
    mov [rdi + NODE_SELF], ecx
    lea esi, [rcx + 1]
    mov [rdi + NODE_NEXT], esi
    dec eax
    jnz metadata_format_slot
    mov dword ptr [rdi + NODE_NEXT], 0
    ret

; metadata_secure - takes a new metadata page if fewer than two slots are unused and a page is
; free. Any operation needs at most two slots.
; In: none. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: the manager.
; IF: as the caller.
metadata_secure:
    call slots_available
    cmp eax, 2
    jae metadata_secured
    cmp dword ptr [pmm_free_head], 0
    jne metadata_take_page
metadata_secured:
    ret

; metadata_take_page - the lowest free page becomes the last metadata page.
; In: the free list is not empty. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11.
; Lock: the manager. IF: as the caller.
metadata_take_page:
    push rbx
    push r12
    mov edi, [pmm_free_head]
    call node_address
    mov ebx, [rax + NODE_BASE]
    mov rdi, rax
    mov esi, 1
    call range_take_head
    mov eax, [pmm_first_page]
metadata_find_last:
    shl rax, 12
    mov rdx, rax
    mov eax, [rdx + PAGE_NEXT_FRAME]
    test eax, eax
    jnz metadata_find_last
    mov r12d, [rdx + PAGE_ORDINAL]
    inc r12d
    mov [rdx + PAGE_NEXT_FRAME], ebx
    mov edi, ebx
    mov esi, r12d
    call metadata_format
    mov rsi, pmm_next_head
metadata_find_tail:
    mov edi, [rsi]
    test edi, edi
    jz metadata_append
    call node_address
    lea rsi, [rax + NODE_NEXT]
    jmp metadata_find_tail
metadata_append:
    shl r12d, NODES_PER_PAGE_SHIFT
    inc r12d
    mov [rsi], r12d
    mov edi, pmm_allocd_head
    mov esi, ebx
    mov edx, 1
    call range_insert
    pop r12
    pop rbx
    ret

; metadata_overlaps - whether a range contains a metadata page.
; In: edi = base, rsi = first frame behind. Out: eax = 1 or 0. Clobbers: rcx. Lock: the manager.
; IF: as the caller.
metadata_overlaps:
    mov ecx, [pmm_first_page]
metadata_overlaps_page:
    xor eax, eax
    test ecx, ecx
    jz metadata_overlaps_known
    cmp ecx, edi
    jb metadata_overlaps_next
    mov eax, 1
    cmp rcx, rsi
    jb metadata_overlaps_known
metadata_overlaps_next:
    shl rcx, 12
    mov ecx, [rcx + PAGE_NEXT_FRAME]
    jmp metadata_overlaps_page
metadata_overlaps_known:
    ret

; metadata_pages - how many metadata pages there are.
; In: none. Out: rax = pages. Clobbers: rcx. Lock: the manager. IF: as the caller.
metadata_pages:
    xor eax, eax
    mov ecx, [pmm_first_page]
metadata_pages_next:
    test ecx, ecx
    jz metadata_pages_known
    inc eax
    shl rcx, 12
    mov ecx, [rcx + PAGE_NEXT_FRAME]
    jmp metadata_pages_next
metadata_pages_known:
    ret
