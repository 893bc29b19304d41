; The verdict on a run of pmm/workload.asm, and its report on COM1.

.code64

; work_verdict - judges the run. Every core has passed end_barrier.
; In: none. Out: rax = reason of failure, a string, or 0. Clobbers: rcx rdx rsi rdi r8-r11.
; Lock: none needed: no operation can begin any more. IF: any.
work_verdict:
    push rbx
    push r12
    mov rax, [failure]
    test rax, rax
    jnz work_judged
    call pmm_check
    mov ecx, text_invariant
    test eax, eax
    cmovnz rax, rcx
    jnz work_judged
    mov edi, pmm_free_head
    call range_pages
    mov rbx, rax
    call metadata_pages
    add rbx, rax
    call region_total
    mov rcx, rax
    mov eax, text_leak
    cmp rbx, rcx
    jne work_judged
    xor ebx, ebx
work_judge_core:
    mov edi, ebx
    call core_area
    mov r12, rax
    lea edi, [rbx + 1]
    xor eax, eax
    cmp edi, [core_count]
    cmovae edi, eax
    call core_area
    mov rcx, [rax + CORE_IPIS_RECEIVED]
    mov eax, text_ipis
    cmp rcx, [r12 + CORE_IPIS_SENT]
    jne work_judged
    mov eax, text_counts
    cmp qword ptr [r12 + CORE_ALLOCS], ITERATIONS
    jne work_judged
    cmp qword ptr [r12 + CORE_FREES], ITERATIONS
    jne work_judged
    inc ebx
    cmp ebx, [core_count]
    jb work_judge_core
    xor eax, eax
work_judged:
    pop r12
    pop rbx
    ret

; work_report - prints one line for each core; only what no schedule changes.
; In: none. Out: none. Clobbers: rax rcx rdx rsi rdi. Lock: none: the other cores print nothing.
; IF: any.
work_report:
    push rbx
    push r12
    xor ebx, ebx
work_report_core:
    mov edi, ebx
    call core_area
    mov r12, rax
    mov edi, text_core_id
    mov esi, ebx
    call print_field
    mov edi, text_allocs
    mov rsi, [r12 + CORE_ALLOCS]
    call print_field
    mov edi, text_frees
    mov rsi, [r12 + CORE_FREES]
    call print_field
    mov edi, text_ipis_sent
    mov rsi, [r12 + CORE_IPIS_SENT]
    call print_field
    mov edi, text_ipis_received
    mov rsi, [r12 + CORE_IPIS_RECEIVED]
    call print_field
    mov edi, 10
    call print_character
    inc ebx
    cmp ebx, [core_count]
    jb work_report_core
    pop r12
    pop rbx
    ret

; work_print_verdict - prints the last line.
; In: rdi = reason of failure, or 0. Out: eax = exit value, 0 or 1. Clobbers: rcx rdx rsi rdi.
; Lock: none. IF: any.
work_print_verdict:
    test rdi, rdi
    jnz work_print_failure
    mov edi, text_pass
    mov esi, [core_count]
    call print_field
    mov edi, text_operations
    imul esi, [core_count], ITERATIONS + ITERATIONS
    call print_field
    mov edi, 10
    call print_character
    xor eax, eax
    ret
work_print_failure:
    push rdi
    mov edi, text_fail
    call print
    pop rdi
    call print
    mov edi, 10
    call print_character
    mov eax, 1
    ret

text_invariant: .asciz "invariant broken"
text_leak: .asciz "pages lost"
text_ipis: .asciz "IPIs lost"
text_counts: .asciz "operations lost"
text_core_id: .asciz "core="
text_allocs: .asciz " allocs="
text_frees: .asciz " frees="
text_ipis_sent: .asciz " ipis_sent="
text_ipis_received: .asciz " ipis_received="
.ifdef LOCK_PROGRAM
text_pass: .asciz "LOCK PASS cores="
.else
text_pass: .asciz "PMM_SMP PASS cores="
.endif
text_operations: .asciz " operations="
.ifdef LOCK_PROGRAM
text_fail: .asciz "LOCK FAIL "
.else
text_fail: .asciz "PMM_SMP FAIL "
.endif
