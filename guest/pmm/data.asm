; The manager's globals. Included among a program's data, after boot/data.asm.

.balign 64
pmm_first_page: .long 0                 ; frame of metadata page 0
pmm_free_head: .long 0
pmm_allocd_head: .long 0
pmm_next_head: .long 0
pmm_managed_count: .quad 0
; Pairs of u64: base frame, pages. Ascending, never touching, never empty.
pmm_managed:
    .fill 512, 1, 0                     ; PMM_MANAGED_CAPACITY pairs
