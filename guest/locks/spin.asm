; A test-and-test-and-set spin lock for thread context, for the serial port above all.
; It must not be taken by interrupt handlers; the holder may be interrupted.

.code64

; spin_take - takes the lock.
; In: rdi = address of a u32, 0 = free. Out: none. Clobbers: rax. Lock: takes it. IF: unchanged.
spin_take:
    mov eax, 1
    xchg [rdi], eax
    test eax, eax
    jz spin_taken
spin_take_wait:
    pause
    cmp dword ptr [rdi], 0
    jne spin_take_wait
    jmp spin_take
spin_taken:
    ret

; spin_give - frees the lock.
; In: rdi = address of the lock, held by the caller. Out: none. Clobbers: none. Lock: gives it.
; IF: unchanged.
spin_give:
    mov dword ptr [rdi], 0
    ret
