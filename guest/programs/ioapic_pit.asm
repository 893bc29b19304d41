; Takes ten ticks of the PIT through the IOAPIC, on pin 2, with the PIC masked.
.include "boot/kernel.asm"
.include "interrupts/pit.asm"
.include "interrupts/ioapic.asm"
.include "interrupts/ticks.asm"
.include "locks/swap_xchg.asm"

.set TICKS, 10
.set PIT_PERIOD, 11932                  ; 10 ms

.code64
; main - counts the ticks.
; In: none. Out: eax = 0. Clobbers: all. Lock: none. IF: 1; halts between ticks.
main:
    mov edi, VECTOR_IOAPIC_PIT
    mov esi, tick_interrupt
    call register_handler
    call pit_stop
    mov edi, IOAPIC_PIN_PIT
    mov esi, VECTOR_IOAPIC_PIT
    xor edx, edx
    call ioapic_route
    call ticks_reset
    mov edi, PIT_PERIOD
    call pit_start
    mov edi, TICKS
    call ticks_wait
    call pit_stop
    mov edi, IOAPIC_PIN_PIT
    mov esi, IOAPIC_MASKED
    xor edx, edx
    call ioapic_route
    mov edi, text_ioapic
    mov esi, TICKS
    call print_field
    mov edi, text_pass
    call print
    xor eax, eax
    ret

text_ioapic: .asciz "ioapic ticks="
text_pass: .asciz "\nIOAPIC_PIT PASS\n"

.include "boot/data.asm"
.include "boot/end.asm"
