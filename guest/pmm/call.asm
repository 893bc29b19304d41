; The way in: int VECTOR_PMM, whose handler runs under the protocol in force.

.code64

; pmm_interrupt - handler of VECTOR_PMM.
; In: rdi = frame; frame rax = operation, rdi and rsi = arguments. Out: frame rax = result, or
; PMM_BAD_OPERATION. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: the protocol's, held. IF: 0.
pmm_interrupt:
    push rbx
    mov rbx, rdi
pmm_enter:                              ; from here to pmm_exit no two cores may be at once
    mov rax, [rbx + FRAME_RAX]
    mov rdi, [rbx + FRAME_RDI]
    mov rsi, [rbx + FRAME_RSI]
    cmp rax, PMM_FREE
    ja pmm_interrupt_unknown
    je pmm_interrupt_free
    call pmm_do_alloc
    jmp pmm_interrupt_done
pmm_interrupt_free:
    call pmm_do_free
    jmp pmm_interrupt_done
pmm_interrupt_unknown:
    mov eax, PMM_BAD_OPERATION
pmm_interrupt_done:
    mov [rbx + FRAME_RAX], rax
pmm_exit:
    pop rbx
    ret

; pmm_call - calls the manager, again and again while the protocol answers PROTOCOL_BUSY.
; In: rax = operation, rdi and rsi = arguments. Out: rax = result. Clobbers: rcx.
; Lock: taken and given inside. IF: unchanged; 0 while the handler runs.
pmm_call:
    mov rcx, rax
pmm_call_again:
    mov rax, rcx
    int VECTOR_PMM
    cmp rax, PROTOCOL_BUSY
    jne pmm_call_done
    pause
    jmp pmm_call_again
pmm_call_done:
    ret

; pmm_alloc - allocates pages.
; In: rdi = pages. Out: rax = physical address or 0. Clobbers: rcx. Lock, IF: as pmm_call.
pmm_alloc:
    mov eax, PMM_ALLOC
    jmp pmm_call

; pmm_free - frees pages.
; In: rdi = physical address, rsi = pages. Out: rax = 0 or an error code. Clobbers: rcx.
; Lock, IF: as pmm_call.
pmm_free:
    mov eax, PMM_FREE
    jmp pmm_call
