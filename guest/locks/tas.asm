; Protocol tas: a test-and-set spin lock, one for all vectors.
;
; States of tas_word: 0 (free), 1 (held).
; Who waits: in protocol_take, with IF = 0; every try is a locked exchange, PAUSE between tries.
; Nobody is served in order.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - takes the lock.
; In: edi = vector. Out: rax = handler. Clobbers: rcx. Lock: takes tas_word. IF: 0.
protocol_take:
    mov eax, 1
    xchg [tas_word], eax
    test eax, eax
    jz protocol_taken
    pause
    jmp protocol_take
protocol_taken:
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
    ret

; protocol_give - gives the lock.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: gives tas_word. IF: 0.
protocol_give:
    mov dword ptr [tas_word], 0
    ret

.macro protocol_start
.endm

.macro protocol_data
.balign 64
tas_word: .long 0
.endm
