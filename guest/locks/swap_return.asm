; Protocol swap_return: as swap_xchg, but who finds the key taken goes back and comes again.
;
; States of handles[vector]: the real handler (free) or protocol_busy (one core is inside).
; Who waits: the interrupted code, which gets PROTOCOL_BUSY and tries again, with IF as it has it
; (1 in all programs), PAUSE between tries. Nobody waits in a handler; nobody is served in order.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - takes the handler of an exclusive vector out of handles[], or what stands there.
; In: edi = vector. Out: rax = the real handler, now owned, or protocol_busy. Clobbers: rcx.
; Lock: takes the vector, if it is free. IF: 0.
protocol_take:
    mov ecx, edi
    mov eax, protocol_busy
    xchg rax, [rcx * 8 + handles]
    ret

; protocol_give - puts the handler back, if the caller had it.
; In: edi = vector, rsi = what protocol_take returned. Out: none. Clobbers: rcx.
; Lock: gives the vector, if it was taken. IF: 0.
protocol_give:
    cmp rsi, protocol_busy
    je protocol_gave
    mov ecx, edi
    mov [rcx * 8 + handles], rsi
protocol_gave:
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
