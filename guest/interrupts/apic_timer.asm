; The local APIC timer: calibrated once against the PIT, then used for delays and periodic ticks.

.code64

.set APIC_DIVIDE_BY_16, 3
.set PIT_10_MILLISECONDS, 11932         ; of 1193182 Hz

; apic_timer_start - starts the timer of the calling core.
; In: edi = LVT entry (vector, APIC_PERIODIC), esi = initial count. Out: none. Clobbers: rdx.
; Lock: none. IF: any.
apic_timer_start:
    mov edx, APIC_BASE
    mov dword ptr [rdx + APIC_TIMER_DIVIDE], APIC_DIVIDE_BY_16
    mov [rdx + APIC_LVT_TIMER], edi
    mov [rdx + APIC_TIMER_INITIAL], esi
    ret

; apic_timer_stop - masks and stops the timer of the calling core. A tick already requested still
; arrives.
; In: none. Out: none. Clobbers: rdx. Lock: none. IF: any.
apic_timer_stop:
    mov edx, APIC_BASE
    mov dword ptr [rdx + APIC_LVT_TIMER], APIC_MASKED
    mov dword ptr [rdx + APIC_TIMER_INITIAL], 0
    ret

; apic_timer_counts - timer counts in a span of time.
; In: edi = microseconds, below 4,000,000. Out: eax = counts, at least 1. Clobbers: rcx rdx.
; Lock: none. IF: any. Needs apic_timer_calibrate before.
apic_timer_counts:
    mov eax, edi
    mov ecx, [apic_ticks_per_millisecond]
    mul rcx
    mov ecx, 1000
    div rcx
    mov ecx, 1
    test eax, eax
    cmove eax, ecx
    ret

; apic_timer_calibrate - measures the timer rate: its counts while the PIT counts 10 ms down.
; In: none; on core 0, PIC masked. Out: apic_ticks_per_millisecond set; PIC masked again; PIT idle.
; Clobbers: rax rcx rdx rsi rdi. Lock: none. IF: must be 1; toggled, 1 at the end.
apic_timer_calibrate:
    push rbx
    mov edi, VECTOR_PIT
    mov esi, calibration_interrupt
    call register_handler
    mov rbx, rax
    mov dword ptr [calibration_count], 0
    mov al, 0x30                        ; channel 0, low then high byte, mode 0: output low
    out PORT_PIT_COMMAND, al
    mov edi, 0xFE
    call pic_set_mask
    cli
    mov edi, APIC_MASKED
    mov esi, 0xFFFFFFFF
    call apic_timer_start
    mov eax, PIT_10_MILLISECONDS
    out PORT_PIT_CHANNEL0, al
    mov al, ah
    out PORT_PIT_CHANNEL0, al
calibrate_wait:
    cmp dword ptr [calibration_count], 0
    jne calibrate_done
    sti
    hlt
    cli
    jmp calibrate_wait
calibrate_done:
    mov edi, 0xFF
    call pic_set_mask
    sti
    call apic_timer_stop
    mov edi, VECTOR_PIT
    mov rsi, rbx
    call register_handler
    mov eax, [calibration_count]
    xor edx, edx
    mov ecx, 10
    div ecx
    mov ecx, 1
    test eax, eax
    cmove eax, ecx
    mov [apic_ticks_per_millisecond], eax
    pop rbx
    ret

; calibration_interrupt - IRQ 0 during the calibration: notes how far the APIC timer came.
; In: rdi = frame. Out: calibration_count set, not 0. Clobbers: rax rdx. Lock: none. IF: 0.
; An IRQ 0 latched before the count was written is told apart by the PIT's output, still low, or,
; where a PIT keeps its output when the mode is written, by the APIC timer, which has not begun.
calibration_interrupt:
    mov al, 0xE2                        ; read-back: status of channel 0
    out PORT_PIT_COMMAND, al
    in al, PORT_PIT_CHANNEL0
    test al, 0x80
    jz calibration_not_yet
    mov edx, APIC_BASE
    mov eax, [rdx + APIC_TIMER_CURRENT]
    test eax, eax
    jz calibration_not_yet
    not eax
    or eax, 1
    mov [calibration_count], eax
calibration_not_yet:
    ret

; delay_microseconds - halts the calling core for at least a span of time; interrupts go on.
; In: edi = microseconds, below 4,000,000; the timer is not otherwise in use; vector VECTOR_DELAY
; registered by delay_register. Out: none. Clobbers: rax rcx rdx rsi rdi. Lock: none held.
; IF: must be 1; toggled, 1 at the end. No wake-up is lost: the flag is tested with IF = 0 and the
; interrupt can only come after STI's shadow, that is, in the HLT.
delay_microseconds:
    push rbx
    mov rax, gs:[CORE_SELF]
    mov rbx, rax
    mov qword ptr [rbx + CORE_DELAY_OVER], 0
    call apic_timer_counts
    mov esi, eax
    mov edi, VECTOR_DELAY
    call apic_timer_start
delay_wait:
    cli
    cmp qword ptr [rbx + CORE_DELAY_OVER], 0
    jne delay_done
    sti
    hlt
    jmp delay_wait
delay_done:
    sti
    pop rbx
    ret

; delay_register - makes VECTOR_DELAY end delays, and calibrates the timer if nobody has yet.
; In: none; on core 0. Out: none. Clobbers: rax rcx rdx rsi rdi. Lock: none. IF: must be 1.
delay_register:
    mov edi, VECTOR_DELAY
    mov esi, delay_interrupt
    call register_handler
    cmp dword ptr [apic_ticks_per_millisecond], 0
    je apic_timer_calibrate
    ret

; delay_interrupt - handler of VECTOR_DELAY.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: none. IF: 0.
delay_interrupt:
    mov rax, gs:[CORE_SELF]
    mov qword ptr [rax + CORE_DELAY_OVER], 1
    ret
