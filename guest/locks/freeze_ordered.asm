; Protocol freeze_ordered: as freeze_naive, and of several cores that ask the lowest id goes first.
;
; States: locks/freeze.asm.
; Who waits: a core that asks, in protocol_take, with IF = 0, PAUSE between looks; meanwhile it
; answers those with lower ids who ask, and they do not answer it before they have been inside. A
; core that has answered, in freeze_interrupt, with IF = 0.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

.include "locks/freeze.asm"

; protocol_take - makes all others stand still, after those with lower ids.
; In: edi = vector. Out: rax = handler. Clobbers: rcx rdx rsi rdi r8. Lock: takes. IF: 0.
protocol_take:
    push rbx
    mov ebx, edi
    call freeze_ask
protocol_take_wait:
    call freeze_is_answered
    test eax, eax
    jnz protocol_taken
    mov rax, gs:[CORE_SELF]
    mov edi, [rax + CORE_ID]
    call freeze_answer
    pause
    jmp protocol_take_wait
protocol_taken:
    mov rax, [rbx * 8 + handles]
    pop rbx
    ret
