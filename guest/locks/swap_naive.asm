; Protocol swap_naive: the handler pointer is the key, turned by plain stores of the handler itself.
;
; States of handles[VECTOR_PMM]: naive_handler (free) or protocol_busy (a core is inside).
; int_handle loads the pointer and calls what it got; naive_handler's first act is to store
; protocol_busy there, its last to store itself back.
; Who waits: a core that got protocol_busy, inside it, with IF = 0, PAUSE between loads. Between the
; load and the first store nothing is taken.
; Interface: locks/interface.inc.

.include "locks/interface.inc"

.code64

; protocol_take - looks the handler up.
; In: edi = vector. Out: rax = naive_handler or protocol_busy. Clobbers: rcx. Lock: takes none yet.
; IF: 0.
protocol_take:
    mov ecx, edi
    mov rax, [rcx * 8 + handles]
    ret

; protocol_give - the handler has put itself back already.
; In: edi = vector, rsi = handler. Out: none. Clobbers: none. Lock: gives none. IF: 0.
protocol_give:
    ret

; naive_handler - the real handler between two plain stores.
; In: rdi = frame. Out: as the real handler. Clobbers: rax rcx rdx rsi rdi r8-r11.
; Lock: takes and gives VECTOR_PMM. IF: 0.
naive_handler:
    mov qword ptr [handles + VECTOR_PMM * 8], protocol_busy
    call [naive_real_handler]
    mov qword ptr [handles + VECTOR_PMM * 8], naive_handler
    ret

; protocol_busy - stands in handles[] while a core is inside; waits, then runs what it finds there.
; In: rdi = frame. Out: as the real handler. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: as
; naive_handler. IF: 0.
protocol_busy:
    pause
    mov rax, [handles + VECTOR_PMM * 8]
    cmp rax, protocol_busy
    je protocol_busy
    jmp rax

.macro protocol_start
    mov edi, VECTOR_PMM
    mov esi, naive_handler
    call register_handler
    mov [naive_real_handler], rax
.endm

.macro protocol_data
.balign 64
naive_real_handler: .quad 0
.endm
