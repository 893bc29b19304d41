; Text through COM1, by polling. Several cores that write must hold a lock (locks/spin.asm).

.code64

; serial_init - 115200 baud, 8N1, FIFOs on, no interrupts.
; In: none. Out: none. Clobbers: rax rdx. Lock: none. IF: any.
serial_init:
    mov edx, PORT_COM1 + 1
    xor eax, eax
    out dx, al
    mov edx, PORT_COM1 + 3
    mov al, 0x80
    out dx, al
    mov edx, PORT_COM1
    mov al, 1
    out dx, al
    mov edx, PORT_COM1 + 1
    xor eax, eax
    out dx, al
    mov edx, PORT_COM1 + 3
    mov al, 0x03
    out dx, al
    mov edx, PORT_COM1 + 2
    mov al, 0x07
    out dx, al
    mov edx, PORT_COM1 + 4
    mov al, 0x03
    out dx, al
    ret

; print_character - writes one byte once the transmitter takes it.
; In: dil = byte. Out: none. Clobbers: rax rdx. Lock: the writer's. IF: any.
print_character:
    mov edx, PORT_COM1 + 5
print_character_wait:
    in al, dx
    test al, 0x20
    jnz print_character_ready
    pause
    jmp print_character_wait
print_character_ready:
    mov edx, PORT_COM1
    mov eax, edi
    out dx, al
    ret

; print - writes a zero-terminated string.
; In: rdi = string. Out: none. Clobbers: rax rdx rdi. Lock: the writer's. IF: any.
print:
    push rbx
    mov rbx, rdi
print_next:
    movzx edi, byte ptr [rbx]
    test edi, edi
    jz print_done
    call print_character
    inc rbx
    jmp print_next
print_done:
    pop rbx
    ret

; print_decimal - writes an unsigned number.
; In: rdi = number. Out: none. Clobbers: rax rcx rdx rdi. Lock: the writer's. IF: any.
print_decimal:
    mov rax, rdi
    xor edx, edx
    mov ecx, 10
    div rcx
    push rdx
    test rax, rax
    jz print_decimal_digit
    mov rdi, rax
    call print_decimal
print_decimal_digit:
    pop rdi
    add edi, 0x30
    jmp print_character

; print_hexadecimal - writes 16 digits after 0x.
; In: rdi = number. Out: none. Clobbers: rax rcx rdx rdi. Lock: the writer's. IF: any.
print_hexadecimal:
    push rbx
    push r12
    mov rbx, rdi
    mov r12d, 16
    mov edi, text_0x
    call print
print_hexadecimal_digit:
    rol rbx, 4
    mov edi, ebx
    and edi, 15
    movzx edi, byte ptr [rdi + text_digits]
    call print_character
    dec r12d
    jnz print_hexadecimal_digit
    pop r12
    pop rbx
    ret

; print_field - writes a label and a number.
; In: rdi = string, rsi = number. Out: none. Clobbers: rax rcx rdx rdi. Lock: the writer's. IF: any.
print_field:
    push rsi
    call print
    pop rdi
    jmp print_decimal

; machine_exit - ends the run through the debug-exit port once all text is out.
; In: edi = value (QEMU's exit status is value * 2 + 1). Out: never returns. Clobbers: all.
; Lock: any. IF: becomes 0.
machine_exit:
    cli
    mov edx, PORT_COM1 + 5
machine_exit_drain:
    in al, dx
    test al, 0x40
    jnz machine_exit_drained
    pause
    jmp machine_exit_drain
machine_exit_drained:
    mov eax, edi
    out PORT_DEBUG_EXIT, eax
machine_halt:
    cli
    hlt
    jmp machine_halt

text_0x: .asciz "0x"
text_digits: .ascii "0123456789abcdef"
