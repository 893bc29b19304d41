; Core 0 and the others exchange 1000 IPIs, one at a time, each answered by an IPI.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"

.set ROUNDS, 500                        ; one IPI there, one back
.set VECTOR_PING, 0x50                  ; to the other core
.set VECTOR_PONG, 0x51                  ; back to core 0

.code64
; main - pings every core in turn; alone, core 0 pings itself.
; In: none. Out: eax = 0 if as many IPIs arrived as were sent, else 1. Clobbers: all. Lock: none.
; IF: 1; halts until the answer comes.
main:
    mov edi, VECTOR_PING
    mov esi, ping_interrupt
    call register_handler
    mov edi, VECTOR_PONG
    mov esi, pong_interrupt
    call register_handler
    call start_aps
    mov rax, gs:[CORE_SELF]
    mov rbx, rax
    xor r12d, r12d                      ; rounds done
    xor r13d, r13d                      ; core to ping
main_round:
    inc r13d
    xor eax, eax
    cmp r13d, [core_count]
    cmovae r13d, eax
    cmp dword ptr [core_count], 1
    je main_send
    test r13d, r13d
    jz main_round                       ; with others there, core 0 skips itself
main_send:
    mov edi, r13d
    mov esi, VECTOR_PING
    call apic_send_ipi
    inc r12d
    mov edi, r12d
    call pongs_wait
    cmp r12d, ROUNDS
    jb main_round
    jmp ping_report

; ap_main - halts and answers pings for ever.
; In: edi = core id. Out: never returns. Clobbers: none. Lock: none. IF: 1.
ap_main:
    hlt
    jmp ap_main

; pongs_wait - halts core 0 until enough answers have come.
; In: edi = answers. Out: none. Clobbers: rax. Lock: none. IF: must be 1; toggled, 1 at the end; the
; count is tested with IF = 0, so no wake-up is lost.
pongs_wait:
    cli
    cmp [pongs], edi
    jae pongs_wait_done
    sti
    hlt
    jmp pongs_wait
pongs_wait_done:
    sti
    ret

; ping_interrupt - answers core 0.
; In: rdi = frame. Out: none. Clobbers: rax rdx rsi rdi. Lock: none. IF: 0.
ping_interrupt:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_IPIS_RECEIVED]
    xor edi, edi
    mov esi, VECTOR_PONG
    jmp apic_send_ipi

; pong_interrupt - counts an answer.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: none. IF: 0.
pong_interrupt:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_IPIS_RECEIVED]
    inc dword ptr [pongs]
    ret

; ping_report - adds up what all cores sent and received, and prints it.
; In: none. Out: eax = 0 if both are 2 * ROUNDS, else 1. Clobbers: all. Lock: none. IF: any.
ping_report:
    xor r12d, r12d                      ; sent
    xor r13d, r13d                      ; received
    xor ebx, ebx
ping_report_core:
    mov edi, ebx
    call core_area
    add r12, [rax + CORE_IPIS_SENT]
    add r13, [rax + CORE_IPIS_RECEIVED]
    inc ebx
    cmp ebx, [core_count]
    jb ping_report_core
    mov edi, text_pass
    xor ebx, ebx
    cmp r12, ROUNDS + ROUNDS
    jne ping_report_fail
    cmp r13, r12
    je ping_report_print
ping_report_fail:
    mov edi, text_fail
    mov ebx, 1
ping_report_print:
    call print
    mov edi, text_cores
    mov esi, [core_count]
    call print_field
    mov edi, text_sent
    mov rsi, r12
    call print_field
    mov edi, text_received
    mov rsi, r13
    call print_field
    mov edi, 10
    call print_character
    mov eax, ebx
    ret

text_pass: .asciz "IPI_PING PASS"
text_fail: .asciz "IPI_PING FAIL"
text_cores: .asciz " cores="
text_sent: .asciz " sent="
text_received: .asciz " received="

.include "boot/data.asm"
pongs: .long 0
.include "boot/end.asm"
