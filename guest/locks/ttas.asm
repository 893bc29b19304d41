; Protocol ttas: a test-and-test-and-set spin lock, one for all vectors.
;
; States of ttas_word: 0 (free), 1 (held).
; Who waits: in protocol_take, with IF = 0, with plain loads and PAUSE; the locked exchange is tried
; when the word was seen free. Nobody is served in order.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - takes the lock.
; In: edi = vector. Out: rax = handler. Clobbers: rcx. Lock: takes ttas_word. IF: 0.
protocol_take:
    mov eax, 1
    xchg [ttas_word], eax
    test eax, eax
    jz protocol_taken
protocol_take_wait:
    pause
    cmp dword ptr [ttas_word], 0
    jne protocol_take_wait
    jmp protocol_take
protocol_taken:
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
    ret

; protocol_give - gives the lock.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: gives ttas_word. IF: 0.
protocol_give:
    mov dword ptr [ttas_word], 0
    ret

.macro protocol_start
.endm

.macro protocol_data
.balign 64
ttas_word: .long 0
.endm
