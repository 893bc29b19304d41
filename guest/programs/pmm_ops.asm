; Serves memory manager operations that the host asks for through the words at symbol mailbox.
.include "boot/kernel.asm"
.include "locks/swap_xchg.asm"
.include "pmm/pmm.asm"

.set MAILBOX_OPERATION, 0               ; u64: PMM_ALLOC, PMM_FREE, or OPERATION_EXIT
.set MAILBOX_ARGUMENT0, 8
.set MAILBOX_ARGUMENT1, 16
.set MAILBOX_RESULT, 24
.set MAILBOX_REQUEST, 32                ; the host adds 1 after it has written the words above
.set MAILBOX_DONE, 40                   ; follows MAILBOX_REQUEST once the result is there
.set OPERATION_EXIT, 2

.code64
; main - waits for requests, serves them in order.
; In: none. Out: eax = 0 on OPERATION_EXIT, the error if the manager cannot start. Clobbers: all.
; Lock: none. IF: 1; waits in a PAUSE loop.
main:
    call pmm_init
    test eax, eax
    jnz main_done
    mov ebx, mailbox
main_wait:
    mov rax, [rbx + MAILBOX_REQUEST]
    cmp rax, [rbx + MAILBOX_DONE]
    jne main_serve
    pause
    jmp main_wait
main_serve:
    mov rax, [rbx + MAILBOX_OPERATION]
    cmp rax, OPERATION_EXIT
    je main_exit
    mov rdi, [rbx + MAILBOX_ARGUMENT0]
    mov rsi, [rbx + MAILBOX_ARGUMENT1]
    call pmm_call
    mov [rbx + MAILBOX_RESULT], rax
    inc qword ptr [rbx + MAILBOX_DONE]
    jmp main_wait
main_exit:
    mov qword ptr [rbx + MAILBOX_RESULT], 0
    inc qword ptr [rbx + MAILBOX_DONE]
    xor eax, eax
main_done:
    ret

.include "boot/data.asm"
.include "pmm/data.asm"
.balign 64
mailbox:
    .fill 48, 1, 0
.include "boot/end.asm"
