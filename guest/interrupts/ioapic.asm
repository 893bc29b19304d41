; The IOAPIC (82093AA).

.code64

.set IOAPIC_BASE, 0xFEC00000
.set IOAPIC_SELECT, 0x00                ; IOREGSEL
.set IOAPIC_WINDOW, 0x10                ; IOWIN
.set IOAPIC_REDIRECTION, 0x10           ; low word of entry 0; two words each
.set IOAPIC_MASKED, 0x10000
.set IOAPIC_PIN_PIT, 2                  ; IRQ 0 arrives on pin 2 of a PC's IOAPIC

; ioapic_route - programs a redirection entry: physical destination, fixed, edge, active high.
; In: edi = pin, esi = vector (or IOAPIC_MASKED), edx = destination APIC id. Out: none.
; Clobbers: rax rcx rdx. Lock: none (one core uses the IOAPIC). IF: any.
ioapic_route:
    mov ecx, IOAPIC_BASE
    lea eax, [rdi + rdi + IOAPIC_REDIRECTION]
    mov dword ptr [rcx + IOAPIC_SELECT], eax
    mov dword ptr [rcx + IOAPIC_WINDOW], IOAPIC_MASKED
    inc eax
    shl edx, 24
    mov dword ptr [rcx + IOAPIC_SELECT], eax
    mov dword ptr [rcx + IOAPIC_WINDOW], edx
    dec eax
    mov dword ptr [rcx + IOAPIC_SELECT], eax
    mov dword ptr [rcx + IOAPIC_WINDOW], esi
    ret
