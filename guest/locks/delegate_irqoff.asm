; Protocol delegate_irqoff: as delegate, with two owners, and who waits takes no interrupts.
;
; States: locks/mailbox.asm. Core 1, if there is one, owns VECTOR_SECOND, core 0 everything else;
; their handlers run with IF = 0. There is no lock word.
; Who waits: a core that is not the owner, in mailbox_call, with IF = 0, with plain loads and PAUSE.
; An owner that waits serves nobody.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

.include "locks/mailbox.asm"

.set PROTOCOL_SECOND, 1

; protocol_owner - which core runs the handler of a vector.
; In: edi = vector. Out: eax = core id. Clobbers: none. Lock: none. IF: 0.
protocol_owner:
    xor eax, eax
    cmp edi, VECTOR_SECOND
    jne protocol_owner_known
    cmp dword ptr [core_count], 1
    seta al
protocol_owner_known:
    ret

; mailbox_call - has a call served and waits for it.
; In: rdi = frame. Out: as the handler. Clobbers: rax rdx rsi rdi. Lock: none.
; IF: 0.
mailbox_call:
    call mailbox_post
mailbox_wait:
    cmp qword ptr [rax + MAILBOX], 0
    je mailbox_answered
    pause
    jmp mailbox_wait
mailbox_answered:
    ret
