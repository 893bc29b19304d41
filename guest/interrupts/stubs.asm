; The static way in: one prestub for each vector, 16 bytes apart, and the common stub.

.code64

; Vectors where the processor pushes an error code: 8, 10-14, 17, 21, 29, 30 (SDM volume 3A,
; table "Protected-Mode Exceptions and Interrupts", and AMD APM volume 2 for 29 and 30).
.macro prestub vector
.balign 16
    cli
.set has_error_code, (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17)
.if has_error_code || (\vector == 21) || (\vector == 29) || (\vector == 30)
.else
    push 0
.endif
    push \vector
    jmp common_stub
.endm

.balign 16
prestubs:
.set vector_number, 0
.rept 256
prestub vector_number
.set vector_number, vector_number + 1
.endr

; common_stub - saves what was interrupted, calls int_handle, goes back.
; In: stack = vector, error code, processor frame. Out: iretq to what was interrupted, with the
; registers of the frame. Clobbers: none. Lock: none. IF: 0 until iretq.
.balign 16
common_stub:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov eax, ds
    push rax
    mov eax, es
    push rax
    mov eax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    cld
    mov rdi, rsp
    call int_handle
    pop rax
    mov es, ax
    pop rax
    mov ds, ax
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq
