; Protocol delegate: one core owns the handler and runs it for all.
;
; States: locks/mailbox.asm. Core 0 owns every vector; its handlers run with IF = 0 and so one after
; the other. There is no lock word.
; Who waits: every other core, in mailbox_call, with IF = 1, with plain loads and PAUSE; handlers
; that interrupt it there may not call an exclusive vector, there is one mailbox for each core.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

.include "locks/mailbox.asm"

; protocol_owner - which core runs the handler of a vector.
; In: edi = vector. Out: eax = core id. Clobbers: none. Lock: none. IF: 0.
protocol_owner:
    xor eax, eax
    ret

; mailbox_call - has a call served and waits for it.
; In: rdi = frame. Out: as the handler. Clobbers: rax rdx rsi rdi. Lock: none.
; IF: 0; 1 while it waits, 0 at the end.
mailbox_call:
    call mailbox_post
    sti
mailbox_wait:
    cmp qword ptr [rax + MAILBOX], 0
    je mailbox_answered
    pause
    jmp mailbox_wait
mailbox_answered:
    cli
    ret
