; Protocol ticket: a ticket lock, one for all vectors.
;
; States: ticket_serving = ticket_next (free); else the core that drew ticket_serving is inside and
; ticket_next - ticket_serving - 1 cores wait. Both wrap around.
; Who waits: in protocol_take, with IF = 0, with plain loads and PAUSE; served in the order in which
; the tickets were drawn.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - draws a ticket and waits for its turn.
; In: edi = vector. Out: rax = handler. Clobbers: rcx. Lock: takes the ticket lock. IF: 0.
protocol_take:
    mov eax, 1
    lock xadd [ticket_next], eax
protocol_take_wait:
    cmp [ticket_serving], eax
    je protocol_taken
    pause
    jmp protocol_take_wait
protocol_taken:
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
    ret

; protocol_give - calls the next ticket; only the holder writes the word.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: gives the ticket lock. IF: 0.
protocol_give:
    inc dword ptr [ticket_serving]
    ret

.macro protocol_start
.endm

.macro protocol_data
.balign 64
ticket_next: .long 0
ticket_serving: .long 0
.endm
