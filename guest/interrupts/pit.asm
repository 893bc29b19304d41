; The 8254, channel 0, as a periodic source of interrupts.

.code64

; pit_start - periodic interrupts from channel 0 (mode 2, rate generator).
; In: edi = period in input clocks, 2..65535 (1193182 a second). Out: none. Clobbers: rax.
; Lock: none. IF: any.
pit_start:
    mov al, 0x34                        ; channel 0, low then high byte, mode 2
    out PORT_PIT_COMMAND, al
    mov eax, edi
    out PORT_PIT_CHANNEL0, al
    mov al, ah
    out PORT_PIT_CHANNEL0, al
    ret

; pit_stop - no more interrupts from channel 0: mode 0 waits, output low, for a count.
; In: none. Out: none. Clobbers: rax. Lock: none. IF: any.
pit_stop:
    mov al, 0x30
    out PORT_PIT_COMMAND, al
    ret
