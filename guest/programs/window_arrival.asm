; An event count read and cleared by two instructions: broken if the IPI comes between, one place in 5,000.
; Core 1 (alone: core 0) sends core 0 an IPI with its first instructions; its handler counts. Core 0
; runs 5,000 instructions with IF = 1 and takes the count over in the midst of them. It ends the run
; with 1 if the IPI has come and is counted nowhere.
.include "boot/kernel.asm"
.include "boot/smp.asm"
.include "locks/swap_xchg.asm"

.set ARRIVAL_ROUNDS_BEFORE, 1700        ; of two instructions
.set ARRIVAL_ROUNDS_AFTER, 795

.set LITMUS_PREPARE, 1
.include "litmus/begin.inc"
    mov ecx, 1
    cmp ecx, r13d
    cmova ecx, r13d                     ; who sends
    cmp ebx, ecx
    jne arrival_sent
    mov edx, APIC_BASE                  ; the upper word of the ICR is 0: core 0
    mov dword ptr [rdx + APIC_ICR_LOW], ICR_FIXED + VECTOR_IPI
arrival_sent:
    test ebx, ebx
    jnz explore_until
    mov ecx, ARRIVAL_ROUNDS_BEFORE
arrival_before:
    dec ecx
    jnz arrival_before
    mov eax, [arrival_events]
arrival_open:                           ; the only place
    mov dword ptr [arrival_events], 0
    add [arrival_taken], eax
    mov ecx, ARRIVAL_ROUNDS_AFTER
arrival_after:
    dec ecx
    jnz arrival_after
    xor eax, eax
    cmp dword ptr [arrival_came], 0
    je explore_until
    call litmus_judge
    test eax, eax
    jnz litmus_exit
.include "litmus/end.inc"

; litmus_prepare - registers the handler.
; In: none. Out: none. Clobbers: rax rsi rdi. Lock: none. IF: any.
litmus_prepare:
    mov edi, VECTOR_IPI
    mov esi, arrival_interrupt
    jmp register_handler

; arrival_interrupt - handler of VECTOR_IPI: counts.
; In: rdi = frame. Out: none. Clobbers: none. Lock: none. IF: 0.
arrival_interrupt:
    inc dword ptr [arrival_events]
    mov dword ptr [arrival_came], 1
    ret

; litmus_judge - waits for the IPI; it must be counted, taken over or not.
; In: core 0. Out: eax = 0 or 1. Clobbers: none. Lock: none. IF: must be 1.
litmus_judge:
    cmp dword ptr [arrival_came], 0
    jne arrival_judge
    pause
    jmp litmus_judge
arrival_judge:
    mov eax, [arrival_events]
    add eax, [arrival_taken]
    xor eax, 1
    ret

.include "boot/data.asm"
.include "litmus/data.inc"
arrival_events: .long 0
arrival_taken: .long 0
arrival_came: .long 0
.include "boot/end.asm"
