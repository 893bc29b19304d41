; Starting the other cores. A program that includes this supplies ap_main (edi = core id, IF = 1).

.include "interrupts/apic_timer.asm"
.include "boot/trampoline.asm"

.code64

.set INIT_DELAY_MICROSECONDS, 10000
.set START_UP_DELAY_MICROSECONDS, 200
.set ARRIVAL_STEP_MICROSECONDS, 1000
.set ARRIVAL_STEPS, 5000

; start_aps - starts the cores with APIC ids 1..core_count-1, one after the other.
; In: none; on core 0, PIC masked. Out: every core goes on to ap_main, once all have come; if one
; does not come the run ends with EXIT_CORE_MISSING. Clobbers: rax rcx rdx rsi rdi.
; Lock: none held. IF: must be 1.
; Source: SDM volume 3A, "MP Initialization Protocol Algorithm for MP Systems".
start_aps:
    push rbx
    call delay_register
    mov esi, trampoline_start
    mov edi, TRAMPOLINE_BASE
    mov ecx, trampoline_end
    sub ecx, esi
    rep movsb
    mov ebx, 1
start_aps_next:
    cmp ebx, [core_count]
    jae start_aps_done
    mov edi, ebx
    call start_core
    test eax, eax
    jz start_aps_missing
    inc ebx
    jmp start_aps_next
start_aps_missing:
    mov edi, text_core_missing
    mov esi, ebx
    call print_field
    mov edi, 10
    call print_character
    mov edi, EXIT_CORE_MISSING
    jmp machine_exit
start_aps_done:
    call release_aps
    pop rbx
    ret

; release_aps - lets every started core go on to ap_main.
; In: none; on core 0. Out: none. Clobbers: rax rcx rdx rsi rdi. Lock: none held. IF: any.
release_aps:
    push rbx
    mov edi, VECTOR_WAKE
    mov esi, wake_interrupt
    call register_handler
    mov dword ptr [cores_released], 1
    mov ebx, 1
release_aps_next:
    cmp ebx, [core_count]
    jae release_aps_done
    mov edi, ebx
    mov esi, ICR_FIXED + VECTOR_WAKE
    call apic_send
    inc ebx
    jmp release_aps_next
release_aps_done:
    pop rbx
    ret

; wait_release - halts until release_aps. No wake-up is lost: the word is tested with IF = 0, and
; the interrupt that follows its change can only come after STI's shadow, that is, in the HLT.
; In: none. Out: none. Clobbers: none. Lock: none. IF: 0 or 1; 1 at the end.
wait_release:
    cli
    cmp dword ptr [cores_released], 0
    jne wait_release_over
    sti
    hlt
    jmp wait_release
wait_release_over:
    sti
    ret

; wake_interrupt - handler of VECTOR_WAKE: having been interrupted is all that counts.
; In: rdi = frame. Out: none. Clobbers: none. Lock: none. IF: 0.
wake_interrupt:
    ret

; start_core - INIT, 10 ms, start-up IPI, 200 us; a second start-up IPI if the core has not come.
; In: edi = APIC id. Out: eax = 1 if the core is online, 0 if not after 5 s.
; Clobbers: rcx rdx rsi rdi. Lock: none held. IF: must be 1.
start_core:
    push rbx
    push r12
    push r13
    mov r12d, edi
    call core_area
    mov rbx, rax
    mov edi, r12d
    mov esi, ICR_INIT
    call apic_send
    mov edi, INIT_DELAY_MICROSECONDS
    call delay_microseconds
    mov edi, r12d
    mov esi, ICR_START_UP + TRAMPOLINE_VECTOR
    call apic_send
    mov edi, START_UP_DELAY_MICROSECONDS
    call delay_microseconds
    mov eax, 1
    cmp qword ptr [rbx + CORE_ONLINE], 0
    jne start_core_done
    mov edi, r12d
    mov esi, ICR_START_UP + TRAMPOLINE_VECTOR
    call apic_send
    mov edi, START_UP_DELAY_MICROSECONDS
    call delay_microseconds
    mov r13d, ARRIVAL_STEPS
start_core_wait:
    mov eax, 1
    cmp qword ptr [rbx + CORE_ONLINE], 0
    jne start_core_done
    mov edi, ARRIVAL_STEP_MICROSECONDS
    call delay_microseconds
    dec r13d
    jnz start_core_wait
    xor eax, eax
start_core_done:
    pop r13
    pop r12
    pop rbx
    ret

; barrier_wait - waits until every core has called it as often as the caller.
; In: rdi = address of a u32 counter, 0 at first; esi = how many calls the caller has made on it,
; this one included. Out: none. Clobbers: rax rcx. Lock: none held. IF: unchanged (PAUSE loop; call
; it with IF = 1 if the cores still to come may send interrupts).
barrier_wait:
    mov eax, 1
    lock xadd [rdi], eax
    mov ecx, [core_count]
    imul ecx, esi
barrier_wait_more:
    mov eax, [rdi]
    cmp eax, ecx
    jae barrier_passed
    pause
    jmp barrier_wait_more
barrier_passed:
    ret

text_core_missing: .asciz "core did not start: "
