; Protocol swap_xchg: the handler pointer itself is the key, taken with one locked exchange.
;
; States of handles[vector]: the real handler (free) or protocol_busy (one core is inside).
; Who waits: a core that gets protocol_busy, in protocol_take, with IF = 0, PAUSE between tries.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - takes the handler of an exclusive vector out of handles[].
; In: edi = vector. Out: rax = the real handler, now owned. Clobbers: rcx.
; Lock: takes the vector. IF: 0 throughout.
protocol_take:
    mov ecx, edi
protocol_take_try:
    mov eax, protocol_busy
    xchg rax, [rcx * 8 + handles]
    cmp rax, protocol_busy
    jne protocol_take_done
    pause
    jmp protocol_take_try
protocol_take_done:
    ret

; protocol_give - puts the handler back.
; In: edi = vector, rsi = what protocol_take returned. Out: none. Clobbers: rcx.
; Lock: gives the vector. IF: 0.
protocol_give:
    mov ecx, edi
    mov [rcx * 8 + handles], rsi
    ret

; protocol_busy - stands in handles[] while a core is inside; marks the call as not done.
; In: rdi = frame. Out: frame rax = PROTOCOL_BUSY. Clobbers: none. Lock: none. IF: 0.
protocol_busy:
    mov qword ptr [rdi + FRAME_RAX], PROTOCOL_BUSY
    ret

.macro protocol_start
.endm

.macro protocol_data
.endm
