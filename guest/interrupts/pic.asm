; The 8259A pair.

.code64

; pic_init - moves IRQ 0-15 to VECTOR_PIC..VECTOR_PIC+15 and masks all of them.
; In: none. Out: none. Clobbers: rax. Lock: none. IF: 0.
pic_init:
    mov al, 0x11                        ; ICW1: edge, cascade, ICW4 follows
    out PORT_PIC_MASTER, al
    out PORT_PIC_SLAVE, al
    mov al, VECTOR_PIC
    out PORT_PIC_MASTER_DATA, al
    mov al, VECTOR_PIC_SLAVE
    out PORT_PIC_SLAVE_DATA, al
    mov al, 0x04                        ; ICW3: the slave is on IRQ 2
    out PORT_PIC_MASTER_DATA, al
    mov al, 0x02
    out PORT_PIC_SLAVE_DATA, al
    mov al, 0x01                        ; ICW4: 8086 mode, EOI by software
    out PORT_PIC_MASTER_DATA, al
    out PORT_PIC_SLAVE_DATA, al
    mov al, 0xFF
    out PORT_PIC_MASTER_DATA, al
    out PORT_PIC_SLAVE_DATA, al
    ret

; pic_set_mask - sets the mask of the master PIC; the slave stays masked.
; In: dil = mask, bit n masks IRQ n. Out: none. Clobbers: rax. Lock: none. IF: any.
pic_set_mask:
    mov eax, edi
    out PORT_PIC_MASTER_DATA, al
    ret

; pic_acknowledge - non-specific EOI: to the slave for vectors of IRQ 8-15, to the master always.
; In: edi = vector, VECTOR_PIC..VECTOR_PIC+15. Out: none. Clobbers: rax. Lock: none. IF: 0.
; Spurious IRQ 7 and 15 leave no ISR bit: the chip that was not in service gets no EOI.
pic_acknowledge:
    cmp edi, VECTOR_PIC_SPURIOUS_MASTER
    je pic_acknowledge_irq7
    cmp edi, VECTOR_PIC_SLAVE
    jb pic_acknowledge_master
    cmp edi, VECTOR_PIC_SPURIOUS_SLAVE
    jne pic_acknowledge_slave
    mov al, 0x0B                        ; OCW3: read ISR next
    out PORT_PIC_SLAVE, al
    in al, PORT_PIC_SLAVE
    test al, 0x80
    jz pic_acknowledge_master
pic_acknowledge_slave:
    mov al, 0x20
    out PORT_PIC_SLAVE, al
    jmp pic_acknowledge_master
pic_acknowledge_irq7:
    mov al, 0x0B
    out PORT_PIC_MASTER, al
    in al, PORT_PIC_MASTER
    test al, 0x80
    jz pic_acknowledged
pic_acknowledge_master:
    mov al, 0x20
    out PORT_PIC_MASTER, al
pic_acknowledged:
    ret
