; What freeze_naive and freeze_ordered share: asking all other cores to stand still.
;
; States, in each core's area: FREEZE_EPOCH, written by that core only, even (not asking) or odd
; (asking or inside); FREEZE_ANSWERS, one u32 for each core that asks, written by the core that
; answers: the epoch it answered. A core may go inside when every other core's answer to it is
; its epoch. No word is written by two cores, so nothing is locked.
; Who waits: a core that has answered, in freeze_interrupt, with IF = 0, until nobody asks; it
; answers whoever asks meanwhile.

.code64

.set FREEZE_EPOCH, CORE_PROTOCOL
.set FREEZE_ANSWERS, CORE_PROTOCOL + 0x40
.set FREEZE_EPOCH_OF, CORE_AREAS + FREEZE_EPOCH         ; with the core's offset
.set FREEZE_ANSWERS_OF, CORE_AREAS + FREEZE_ANSWERS

; freeze_ask - begins to ask: a new epoch, and an IPI to every other core.
; In: none. Out: none. Clobbers: rax rdx rsi rdi. Lock: begins to take. IF: 0.
freeze_ask:
    mov rax, gs:[CORE_SELF]
    inc dword ptr [rax + FREEZE_EPOCH]
    xor edi, edi
    mov esi, ICR_FIXED + ICR_ALL_OTHERS + VECTOR_PROTOCOL
    jmp apic_send

; freeze_is_answered - whether every other core has answered the caller.
; In: none. Out: eax = 1 if so, else 0. Clobbers: rcx rdx rsi. Lock: taken if eax = 1. IF: 0.
freeze_is_answered:
    mov rax, gs:[CORE_SELF]
    mov edx, [rax + FREEZE_EPOCH]
    mov rsi, [rax + CORE_ID]
    mov ecx, [core_count]
freeze_is_answered_next:
    dec ecx
    js freeze_is_answered_yes
    cmp ecx, esi
    je freeze_is_answered_next
    mov eax, ecx
    shl eax, CORE_AREA_SHIFT
    cmp [rax + rsi * 4 + FREEZE_ANSWERS_OF], edx
    je freeze_is_answered_next
    xor eax, eax
    ret
freeze_is_answered_yes:
    mov eax, 1
    ret

; freeze_answer - answers those who ask among the cores with the lowest ids.
; In: edi = first id not to look at. Out: eax = how many of them ask. Clobbers: rcx rdx rsi r8.
; Lock: none. IF: 0. An answer is a promise not to go inside until the other's epoch has changed; so
; the caller either stays in freeze_interrupt, or asks itself and has no answer from a lower id.
freeze_answer:
    mov rax, gs:[CORE_SELF]
    mov rsi, rax
    mov r8, [rsi + CORE_ID]
    xor eax, eax
freeze_answer_next:
    dec edi
    js freeze_answer_done
    cmp edi, r8d
    je freeze_answer_next
    mov edx, edi
    shl edx, CORE_AREA_SHIFT
    mov ecx, [rdx + FREEZE_EPOCH_OF]
    test ecx, 1
    jz freeze_answer_next
    inc eax
    mov [rsi + rdi * 4 + FREEZE_ANSWERS], ecx
    jmp freeze_answer_next
freeze_answer_done:
    ret

; freeze_interrupt - handler of VECTOR_PROTOCOL: answers, and stands still until nobody asks.
; In: rdi = frame. Out: none. Clobbers: rax rcx rdx rsi rdi r8. Lock: none. IF: 0.
freeze_interrupt:
    mov edi, [core_count]
    call freeze_answer
    test eax, eax
    jz freeze_over
    pause
    jmp freeze_interrupt
freeze_over:
    ret

; protocol_give - the next epoch: the caller asks no more, and the others see it.
; In: edi = vector, rsi = handler. Out: none. Clobbers: rax. Lock: gives. IF: 0.
protocol_give:
    mov rax, gs:[CORE_SELF]
    inc dword ptr [rax + FREEZE_EPOCH]
    ret

.macro protocol_start
    mov edi, VECTOR_PROTOCOL
    mov esi, freeze_interrupt
    call register_handler
.endm

.macro protocol_data
.endm
