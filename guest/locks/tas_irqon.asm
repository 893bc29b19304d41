; Protocol tas_irqon: a test-and-set spin lock held with IF = 1, that interrupt handlers take too.
;
; States of tas_word: 0 (free), 1 (held).
; Who waits: in protocol_take, with IF = 0; every try is a locked exchange, PAUSE between tries. The
; handler of VECTOR_PMM runs with IF = 1; those of VECTOR_TIMER and VECTOR_IPI, exclusive as well,
; with IF = 0. If one of them interrupts the handler of VECTOR_PMM, it waits for what its own core
; holds.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

.set PROTOCOL_IN_INTERRUPTS, 1

; protocol_take - takes the lock; for VECTOR_PMM lets interrupts in again.
; In: edi = vector. Out: rax = handler. Clobbers: rcx. Lock: takes tas_word.
; IF: 0; 1 at the end for VECTOR_PMM.
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
    cmp ecx, VECTOR_PMM
    jne protocol_took
    sti
protocol_took:
    ret

; protocol_give - gives the lock.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: gives tas_word.
; IF: any; 0 at the end.
protocol_give:
    mov dword ptr [tas_word], 0
    cli
    ret

.macro protocol_start
    mov byte ptr [exclusive_vectors + VECTOR_TIMER], 1
    mov byte ptr [exclusive_vectors + VECTOR_IPI], 1
.endm

.macro protocol_data
.balign 64
tas_word: .long 0
.endm
