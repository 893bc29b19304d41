; Prints one line and ends with value 3, to show how a failing run looks.
.include "boot/kernel.asm"
.include "locks/swap_xchg.asm"

.code64
; main - fails.
; In: none. Out: eax = 3. Clobbers: rdx rdi. Lock: none. IF: 1.
main:
    mov edi, text_fail
    call print
    mov eax, 3
    ret

text_fail: .asciz "FAIL on purpose\n"

.include "boot/data.asm"
.include "boot/end.asm"
