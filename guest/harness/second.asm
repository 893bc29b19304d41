; A second resource beside the memory manager, for protocols with PROTOCOL_SECOND: two counters.

.code64

; second_register - makes the resource reachable through VECTOR_SECOND.
; In: none. Out: none. Clobbers: rax rsi rdi. Lock: none (one core runs). IF: any.
second_register:
    mov edi, VECTOR_SECOND
    mov esi, second_interrupt
    jmp register_exclusive_handler

; second_interrupt - handler of VECTOR_SECOND: counts, in a way that loses counts if two cores do
; it at once.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: the protocol's, held. IF: 0.
second_interrupt:
second_enter:                           ; from here to second_exit no two cores may be at once
    mov eax, [second_first]
    inc eax
    mov [second_first], eax
    mov eax, [second_last]
    inc eax
    mov [second_last], eax
second_exit:
    ret
