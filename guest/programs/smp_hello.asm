; Starts every core; each prints one line under a lock, in the order of their ids.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"
.include "locks/spin.asm"

.code64
; main - starts the other cores, greets first and waits for the last.
; In: none. Out: eax = 0. Clobbers: all. Lock: none. IF: 1.
main:
    call start_aps
    xor edi, edi
    call greet
main_wait:
    mov eax, [turn]
    cmp eax, [core_count]
    je main_done
    pause
    jmp main_wait
main_done:
    mov edi, text_cores
    mov esi, [core_count]
    call print_field
    mov edi, 10
    call print_character
    xor eax, eax
    ret

; ap_main - greets and halts.
; In: edi = core id. Out: returns into the halt of ap_entry64. Clobbers: all. Lock: none. IF: 1.
ap_main:
    jmp greet

; greet - waits for the caller's turn, prints, passes the turn on.
; In: edi = core id. Out: none. Clobbers: rax rcx rdx rsi rdi. Lock: takes and gives serial_lock.
; IF: 1.
greet:
    push rbx
    mov ebx, edi
greet_wait:
    cmp [turn], ebx
    je greet_turn
    pause
    jmp greet_wait
greet_turn:
    mov edi, serial_lock
    call spin_take
    mov edi, text_greeting
    mov esi, ebx
    call print_field
    mov edi, 10
    call print_character
    mov edi, serial_lock
    call spin_give
    inc ebx
    mov [turn], ebx
    pop rbx
    ret

text_greeting: .asciz "hello from core "
text_cores: .asciz "SMP_HELLO PASS cores="

.include "boot/data.asm"
turn: .long 0
.include "boot/end.asm"
