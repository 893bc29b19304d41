; Counting ticks on the calling core, and waiting for them without losing a wake-up.

.code64

; tick_interrupt - handler of any timer vector: counts.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: none. IF: 0.
tick_interrupt:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_TIMER_TICKS]
    ret

; ticks_reset - starts the count of the calling core at 0.
; In: none. Out: none. Clobbers: rax. Lock: none. IF: any.
ticks_reset:
    mov rax, gs:[CORE_SELF]
    mov qword ptr [rax + CORE_TIMER_TICKS], 0
    ret

; ticks_wait - halts until the calling core has counted enough ticks.
; In: rdi = ticks. Out: none. Clobbers: rax. Lock: none. IF: must be 1; toggled, 1 at the end. The
; count is tested with IF = 0, and a tick can only come after STI's shadow: in the HLT.
ticks_wait:
    mov rax, gs:[CORE_SELF]
ticks_wait_more:
    cli
    cmp [rax + CORE_TIMER_TICKS], rdi
    jae ticks_wait_done
    sti
    hlt
    jmp ticks_wait_more
ticks_wait_done:
    sti
    ret
