; Prints one line from the first core and ends with value 0.
.include "boot/kernel.asm"
.include "locks/swap_xchg.asm"

.code64
; main - prints the greeting.
; In: none. Out: eax = 0. Clobbers: rdx rdi. Lock: none. IF: 1.
main:
    mov edi, text_hello
    call print
    xor eax, eax
    ret

text_hello: .asciz "hello\n"

.include "boot/data.asm"
.include "boot/end.asm"
