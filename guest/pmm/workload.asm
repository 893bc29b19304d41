; The workload of the manager: what each core does between two barriers. pmm/verdict.asm judges it.

.code64

.ifndef ITERATIONS
.set ITERATIONS, 1000
.endif
.set TICK_MICROSECONDS, 100
.set IPI_INTERVAL_MASK, 15              ; one IPI every 16 iterations
.set HOLD_LIMIT, 4                      ; ranges a core holds at once
.set LINE_BYTES, 64                     ; pages are filled and checked a cache line at a time

; A core's own words, from CORE_PROGRAM on.
.set CORE_ALLOCS, 0x80
.set CORE_FREES, 0x88
.set CORE_SEED, 0x90
.set CORE_HELD_COUNT, 0x98
.set CORE_HELD, 0xA0                    ; HOLD_LIMIT entries of HELD_BYTES
.set HELD_ADDRESS, 0
.set HELD_PAGES, 8
.set HELD_PATTERN, 16
.set HELD_BYTES, 24

; work_register - registers the handlers of timer and IPI, for all cores.
; In: none. Out: none. Clobbers: rax rsi rdi. Lock: none. IF: any.
work_register:
    mov edi, VECTOR_TIMER
    mov esi, work_timer_interrupt
    call register_handler
    mov edi, VECTOR_IPI
    mov esi, work_ipi_interrupt
    jmp register_handler

; work_timer_interrupt - counts a tick.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: none. IF: 0.
work_timer_interrupt:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_TIMER_TICKS]
    ret

; work_ipi_interrupt - counts an IPI; the sender waits for the count before it sends the next.
; In: rdi = frame. Out: none. Clobbers: rax. Lock: none. IF: 0.
work_ipi_interrupt:
    mov rax, gs:[CORE_SELF]
    inc qword ptr [rax + CORE_IPIS_RECEIVED]
    ret

; work - the whole job of one core, between two barriers.
; In: edi = core id. Out: none. Clobbers: rax rcx rdx rsi rdi r8-r11. Lock: none held. IF: 1.
work:
    push rbx
    push r12
    push r13
    mov rax, gs:[CORE_SELF]
    mov rbx, rax                        ; own area
    imul eax, edi, 0x9E3779B1
    mov [rbx + CORE_SEED], rax
    inc edi
    xor r13d, r13d                      ; id of the next core
    cmp edi, [core_count]
    cmovb r13d, edi
    mov edi, start_barrier
    mov esi, 1
    call barrier_wait
    mov edi, TICK_MICROSECONDS
    call apic_timer_counts
    mov esi, eax
    mov edi, APIC_PERIODIC + VECTOR_TIMER
    call apic_timer_start
    xor r12d, r12d
work_next:
    mov edi, r12d
    call work_iteration
    test eax, eax
    jnz work_over
    mov eax, r12d
    and eax, IPI_INTERVAL_MASK
    cmp eax, IPI_INTERVAL_MASK
    jne work_no_ipi
    mov edi, r13d
    call work_wait_ipi
    mov edi, r13d
    mov esi, VECTOR_IPI
    call apic_send_ipi
work_no_ipi:
    inc r12d
    cmp r12d, ITERATIONS
    jb work_next
    call work_release
work_over:
    mov edi, r13d
    call work_wait_ipi
    call apic_timer_stop
    mov edi, end_barrier
    mov esi, 1
    call barrier_wait
    pop r13
    pop r12
    pop rbx
    ret

; work_wait_ipi - waits until a core has taken every IPI the caller has sent it. The caller is its
; only sender, so no two of them merge in the IRR.
; In: edi = core id, rbx = own area. Out: none. Clobbers: rax rcx. Lock: none. IF: 1.
work_wait_ipi:
    call core_area
work_wait_ipi_more:
    mov rcx, [rax + CORE_IPIS_RECEIVED]
    cmp rcx, [rbx + CORE_IPIS_SENT]
    jae work_wait_ipi_done
    pause
    jmp work_wait_ipi_more
work_wait_ipi_done:
    ret

; work_iteration - allocates a range, marks it, and sometimes gives back everything held.
; In: edi = iteration, below 1,048,576; rbx = own area. Out: eax = 0, or 1 when the run is lost.
; Clobbers: rcx rdx rsi rdi r8-r11. Lock: none held. IF: 1.
work_iteration:
    push r12
    push r13
    push r14
    mov r13d, edi
    imul eax, [rbx + CORE_SEED], 1664525
    add eax, 1013904223
    mov [rbx + CORE_SEED], rax
    shr eax, 16
    mov r12d, eax                       ; this iteration's choices
    and eax, 3
    lea r14d, [rax + 1]
    mov rdi, r14
    call pmm_alloc
    test rax, rax
    jz work_iteration_empty
    inc qword ptr [rbx + CORE_ALLOCS]
.ifdef PROTOCOL_SECOND
    int VECTOR_SECOND
.endif
    mov rdi, rax
    mov rdx, [rbx + CORE_ID]
    inc rdx
    shl rdx, 56
    shl r13, 36
    or rdx, r13                         ; core and iteration; the address fills the rest
    imul rcx, [rbx + CORE_HELD_COUNT], HELD_BYTES
    inc qword ptr [rbx + CORE_HELD_COUNT]
    lea rcx, [rbx + rcx + CORE_HELD]
    mov [rcx + HELD_ADDRESS], rdi
    mov [rcx + HELD_PAGES], r14
    mov [rcx + HELD_PATTERN], rdx
    mov rsi, r14
    call range_fill
    xor eax, eax
    cmp qword ptr [rbx + CORE_HELD_COUNT], HOLD_LIMIT
    jae work_iteration_release
    test r12d, 0x18
    jnz work_iteration_done
work_iteration_release:
    call work_release
    jmp work_iteration_done
work_iteration_empty:
    mov edi, text_no_memory
    call work_failed
work_iteration_done:
    pop r14
    pop r13
    pop r12
    ret

; work_release - checks, poisons and frees every range the core holds, the last one first.
; In: rbx = own area. Out: eax = 0, or 1 when the run is lost. Clobbers: rcx rdx rsi rdi r8-r11.
; Lock: none held. IF: 1.
work_release:
    push r12
work_release_next:
    xor eax, eax
    cmp qword ptr [rbx + CORE_HELD_COUNT], 0
    je work_release_done
    dec qword ptr [rbx + CORE_HELD_COUNT]
    imul rax, [rbx + CORE_HELD_COUNT], HELD_BYTES
    lea r12, [rbx + rax + CORE_HELD]
    mov rdi, [r12 + HELD_ADDRESS]
    mov rsi, [r12 + HELD_PAGES]
    mov rdx, [r12 + HELD_PATTERN]
    call range_check
    test eax, eax
    jnz work_release_damaged
    mov rdi, [r12 + HELD_ADDRESS]
    mov rsi, [r12 + HELD_PAGES]
    call range_poison
    mov rdi, [r12 + HELD_ADDRESS]
    mov rsi, [r12 + HELD_PAGES]
    call pmm_free
    test eax, eax
    jnz work_release_refused
    inc qword ptr [rbx + CORE_FREES]
    jmp work_release_next
work_release_damaged:
    mov edi, text_damaged
    call work_failed
    jmp work_release_done
work_release_refused:
    mov edi, text_refused
    call work_failed
work_release_done:
    pop r12
    ret

; work_failed - notes why the run is lost; the first reason stays.
; In: rdi = reason, a string. Out: eax = 1. Clobbers: none. Lock: none (one locked exchange).
; IF: any.
work_failed:
    xor eax, eax
    lock cmpxchg [failure], rdi
    mov eax, 1
    ret

; range_fill - fills pages: each word of a line holds the pattern xor the line's address.
; In: rdi = address, rsi = pages, rdx = pattern. Out: none. Clobbers: rax rsi rdi. Lock: none.
; IF: any.
range_fill:
    shl rsi, 12
    add rsi, rdi
range_fill_line:
    mov rax, rdx
    xor rax, rdi
.irp offset, 0, 8, 16, 24, 32, 40, 48, 56
    mov [rdi + \offset], rax
.endr
    add rdi, LINE_BYTES
    cmp rdi, rsi
    jb range_fill_line
    ret

; range_check - whether pages still hold what range_fill wrote.
; In: rdi = address, rsi = pages, rdx = pattern. Out: eax = 0 if so, else 1. Clobbers: rsi rdi.
; Lock: none. IF: any.
range_check:
    shl rsi, 12
    add rsi, rdi
range_check_line:
    mov rax, rdx
    xor rax, rdi
.irp offset, 0, 8, 16, 24, 32, 40, 48, 56
    cmp rax, [rdi + \offset]
    jne range_check_wrong
.endr
    add rdi, LINE_BYTES
    cmp rdi, rsi
    jb range_check_line
    xor eax, eax
    ret
range_check_wrong:
    mov eax, 1
    ret

; range_poison - overwrites every word of pages with what no pattern is.
; In: rdi = address, rsi = pages. Out: none. Clobbers: rax rsi rdi. Lock: none. IF: any.
range_poison:
    shl rsi, 12
    add rsi, rdi
    mov rax, 0xDEADBEEFDEADBEEF
range_poison_line:
.irp offset, 0, 8, 16, 24, 32, 40, 48, 56
    mov [rdi + \offset], rax
.endr
    add rdi, LINE_BYTES
    cmp rdi, rsi
    jb range_poison_line
    ret

text_no_memory: .asciz "out of memory"
text_damaged: .asciz "pattern damaged"
text_refused: .asciz "free refused"
