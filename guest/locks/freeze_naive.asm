; Protocol freeze_naive: who wants to be alone makes every other core stand still in a handler.
;
; States: locks/freeze.asm.
; Who waits: a core that asks, in protocol_take, with IF = 0, PAUSE between looks; it answers nobody
; meanwhile. A core that has answered, in freeze_interrupt, with IF = 0.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

.include "locks/freeze.asm"

; protocol_take - makes all others stand still.
; In: edi = vector. Out: rax = handler. Clobbers: rcx rdx rsi rdi. Lock: takes. IF: 0.
protocol_take:
    push rbx
    mov ebx, edi
    call freeze_ask
protocol_take_wait:
    call freeze_is_answered
    test eax, eax
    jnz protocol_taken
    pause
    jmp protocol_take_wait
protocol_taken:
    mov rax, [rbx * 8 + handles]
    pop rbx
    ret
