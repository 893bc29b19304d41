; The managed memory as a set of ranges of frames: pmm_managed, ascending, disjoint, not touching.

.code64

; region_address - address of a pair of pmm_managed.
; In: rcx = place. Out: rax = address. Clobbers: none. Lock: none (one core runs). IF: any.
region_address:
    mov rax, rcx
    shl rax, 4
    add rax, pmm_managed
    ret

; region_open - makes room for a pair at a place, the pairs from there on move up.
; In: rcx = place; pmm_managed_count below PMM_MANAGED_CAPACITY. Out: rax = address of the room.
; Clobbers: rdx r8 r9. Lock: none. IF: any.
region_open:
    call region_address
    mov r8, [pmm_managed_count]
    inc qword ptr [pmm_managed_count]
    shl r8, 4
    add r8, pmm_managed                 ; where the last pair goes
region_open_move:
    cmp r8, rax
    jbe region_open_done
    mov rdx, [r8 - 16]
    mov r9, [r8 - 8]
    mov [r8], rdx
    mov [r8 + 8], r9
    sub r8, 16
    jmp region_open_move
region_open_done:
    ret

; region_delete - removes a pair, the pairs behind it move down.
; In: rcx = place. Out: none. Clobbers: rax rdx r8 r9. Lock: none. IF: any.
region_delete:
    call region_address
    dec qword ptr [pmm_managed_count]
    mov r8, [pmm_managed_count]
    shl r8, 4
    add r8, pmm_managed
region_delete_move:
    cmp rax, r8
    jae region_delete_done
    mov rdx, [rax + 16]
    mov r9, [rax + 24]
    mov [rax], rdx
    mov [rax + 8], r9
    add rax, 16
    jmp region_delete_move
region_delete_done:
    ret

; region_remove - takes frames out of the set. When there is no room for a split, the part above
; is given up too.
; In: rdi = first frame, rsi = first frame behind. Out: none. Clobbers: rax rcx rdx r8-r11.
; Lock: none. IF: any.
region_remove:
    cmp rdi, rsi
    jae region_remove_done
    xor ecx, ecx
region_remove_next:
    cmp rcx, [pmm_managed_count]
    jae region_remove_done
    call region_address
    mov r10, [rax]
    mov r11, [rax + 8]
    add r11, r10
    cmp r11, rdi
    jbe region_remove_skip
    cmp r10, rsi
    jae region_remove_done
    cmp r10, rdi
    jb region_remove_left_stays
    cmp r11, rsi
    ja region_remove_right_stays
    call region_delete
    jmp region_remove_next
region_remove_left_stays:
    mov rdx, rdi
    sub rdx, r10
    mov [rax + 8], rdx
    cmp r11, rsi
    jbe region_remove_skip
    cmp qword ptr [pmm_managed_count], PMM_MANAGED_CAPACITY
    jae region_remove_done
    inc rcx
    call region_open
region_remove_right_stays:
    mov [rax], rsi
    sub r11, rsi
    mov [rax + 8], r11
region_remove_skip:
    inc rcx
    jmp region_remove_next
region_remove_done:
    ret

; region_add - puts frames into the set; they are given up when there is no room.
; In: rdi = first frame, rsi = first frame behind. Out: none. Clobbers: rax rcx rdx r8-r11.
; Lock: none. IF: any.
region_add:
    cmp rdi, rsi
    jae region_add_done
    call region_remove
    cmp qword ptr [pmm_managed_count], PMM_MANAGED_CAPACITY
    jae region_add_done
    xor ecx, ecx
region_add_find:
    cmp rcx, [pmm_managed_count]
    jae region_add_here
    call region_address
    cmp [rax], rdi
    ja region_add_here
    inc rcx
    jmp region_add_find
region_add_here:
    call region_open
    mov rdx, rsi
    sub rdx, rdi
    mov [rax], rdi
    mov [rax + 8], rdx
    call region_join
    test rcx, rcx
    jz region_add_done
    dec rcx
    call region_join
region_add_done:
    ret

; region_join - makes one of a pair and the pair after it, if they touch.
; In: rcx = place. Out: none. Clobbers: rax rdx r8 r9. Lock: none. IF: any.
region_join:
    lea rdx, [rcx + 1]
    cmp rdx, [pmm_managed_count]
    jae region_join_done
    call region_address
    mov rdx, [rax]
    add rdx, [rax + 8]
    cmp rdx, [rax + 16]
    jne region_join_done
    mov rdx, [rax + 24]
    add [rax + 8], rdx
    inc rcx
    call region_delete
    dec rcx
region_join_done:
    ret

; region_total - frames in the set.
; In: none. Out: rax = frames. Clobbers: rcx rdx. Lock: none. IF: any.
region_total:
    xor edx, edx
    mov rcx, [pmm_managed_count]
region_total_next:
    test rcx, rcx
    jz region_total_done
    dec rcx
    call region_address
    add rdx, [rax + 8]
    jmp region_total_next
region_total_done:
    mov rax, rdx
    ret

; region_contains - whether a frame is in the set.
; In: edi = frame. Out: eax = 1 or 0. Clobbers: rcx rdx. Lock: none. IF: any.
region_contains:
    mov edi, edi
    mov rcx, [pmm_managed_count]
region_contains_next:
    test rcx, rcx
    jz region_contains_no
    dec rcx
    call region_address
    mov rdx, rdi
    sub rdx, [rax]
    jb region_contains_next
    cmp rdx, [rax + 8]
    jae region_contains_next
    mov eax, 1
    ret
region_contains_no:
    xor eax, eax
    ret
