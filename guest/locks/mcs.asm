; Protocol mcs: a queue lock after Mellor-Crummey and Scott, one for all vectors.
;
; States: mcs_tail = 0 (free); else the node of the core that came last. Each core has one node in
; its area: MCS_NEXT, the node behind it or 0, and MCS_WAITS, 1 until the node before gives.
; Who waits: in protocol_take, with IF = 0, each core on a line of its own, with plain loads and
; PAUSE; served in the order of the exchanges. In protocol_give a core may wait, with IF = 0, until
; the one behind it has linked itself.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

.set MCS_NEXT, 0                        ; offsets in the node
.set MCS_WAITS, 8

; protocol_take - joins the queue and waits until it is first.
; In: edi = vector. Out: rax = handler. Clobbers: rcx rdx. Lock: takes the queue lock. IF: 0.
protocol_take:
    mov rax, gs:[CORE_SELF]
    lea rdx, [rax + CORE_PROTOCOL]
    mov qword ptr [rdx + MCS_NEXT], 0
    mov dword ptr [rdx + MCS_WAITS], 1
    mov rax, rdx
    xchg [mcs_tail], rax
    test rax, rax
    jz protocol_taken
    mov [rax + MCS_NEXT], rdx
protocol_take_wait:
    cmp dword ptr [rdx + MCS_WAITS], 0
    je protocol_taken
    pause
    jmp protocol_take_wait
protocol_taken:
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
    ret

; protocol_give - lets the next node go on, or empties the queue.
; In: edi = vector, rsi = handler. Out: none. Clobbers: rax rcx rdx. Lock: gives the queue lock.
; IF: 0.
protocol_give:
    mov rax, gs:[CORE_SELF]
    lea rdx, [rax + CORE_PROTOCOL]
    cmp qword ptr [rdx + MCS_NEXT], 0
    jne protocol_give_next
    mov rax, rdx
    xor ecx, ecx
    lock cmpxchg [mcs_tail], rcx
    je protocol_gave
protocol_give_wait:
    pause
    cmp qword ptr [rdx + MCS_NEXT], 0
    je protocol_give_wait
protocol_give_next:
    mov rax, [rdx + MCS_NEXT]
    mov dword ptr [rax + MCS_WAITS], 0
protocol_gave:
    ret

.macro protocol_start
.endm

.macro protocol_data
.balign 64
mcs_tail: .quad 0
.endm
