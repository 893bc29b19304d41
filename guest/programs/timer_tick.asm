; Takes ten ticks of the PIT through the PIC, then ten of the local APIC timer.
.include "boot/kernel.asm"
.include "interrupts/apic_timer.asm"
.include "interrupts/pit.asm"
.include "interrupts/ticks.asm"
.include "locks/swap_xchg.asm"

.set TICKS, 10
.set PIT_PERIOD, 11932                  ; 10 ms
.set APIC_PERIOD_MICROSECONDS, 10000

.code64
; main - counts the ticks of both timers.
; In: none. Out: eax = 0. Clobbers: all. Lock: none. IF: 1; halts between ticks.
main:
    call apic_timer_calibrate
    mov edi, VECTOR_PIT
    mov esi, tick_interrupt
    call register_handler
    mov edi, VECTOR_TIMER
    mov esi, tick_interrupt
    call register_handler

    call ticks_reset
    mov edi, 0xFE
    call pic_set_mask
    mov edi, PIT_PERIOD
    call pit_start
    mov edi, TICKS
    call ticks_wait
    call pit_stop
    mov edi, 0xFF
    call pic_set_mask
    mov edi, text_pit
    mov esi, TICKS
    call print_field
    mov edi, 10
    call print_character

    call ticks_reset
    mov edi, APIC_PERIOD_MICROSECONDS
    call apic_timer_counts
    mov esi, eax
    mov edi, APIC_PERIODIC + VECTOR_TIMER
    call apic_timer_start
    mov edi, TICKS
    call ticks_wait
    call apic_timer_stop
    mov edi, text_apic
    mov esi, TICKS
    call print_field
    mov edi, text_pass
    call print
    xor eax, eax
    ret

text_pit: .asciz "pit ticks="
text_apic: .asciz "apic ticks="
text_pass: .asciz "\nTIMER_TICK PASS\n"

.include "boot/data.asm"
.include "boot/end.asm"
