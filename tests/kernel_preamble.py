"""How short kernels of tests set their interrupts up: a table of 256 gates at 0x3000."""

PREAMBLE = """
.set IDT, 0x3000
.set APIC, 0xFEE00000
.macro gate vector, handler, kind=0x8E00
    lea rax, [rip + \\handler]
    mov word ptr [IDT + \\vector * 16], ax
    mov word ptr [IDT + \\vector * 16 + 2], 8
    mov word ptr [IDT + \\vector * 16 + 4], \\kind
    shr rax, 16
    mov word ptr [IDT + \\vector * 16 + 6], ax
.endm
.macro finish
    xor eax, eax
    out 0xF4, al
.endm
    jmp _start
idt:
    .word 0xFFF
    .quad IDT
"""
