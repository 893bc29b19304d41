; Where code ends and writable data begins: on its own pages, so that no store ever hits a page
; that holds code. Included by every program after its code; the program's own data follows.

.balign 4096
image_data:

gdt:
    .quad 0
    .quad 0x00AF9A000000FFFF            ; SELECTOR_CODE64
    .quad 0x00CF92000000FFFF            ; SELECTOR_DATA
    .quad 0x00CF9A000000FFFF            ; SELECTOR_CODE32
gdt_tss:
    .fill 512, 1, 0                     ; 16 bytes for each of MAX_CORES cores
gdt_end:
gdt_pointer:
    .short gdt_end - gdt - 1
    .quad gdt
.balign 8
idt_pointer:
    .short 0x0FFF
    .quad IDT_BASE
.balign 8
multiboot_information: .quad 0
core_count: .long 1
apic_ticks_per_millisecond: .long 0     ; 0 until apic_timer_calibrate has run
cores_released: .long 0                 ; 1 once every core is online
calibration_count: .long 0              ; 0 while the calibration runs
serial_lock: .long 0
.balign 8
exception_owner: .quad 0                ; area of the core that reports an unhandled interrupt

.balign 64
; The key: what every vector means. Written only through register_handler and the protocols.
handles:
    .fill 2048, 1, 0
; One byte for each vector: 1 = its handler runs under the protocol in force.
exclusive_vectors:
    .fill 256, 1, 0
