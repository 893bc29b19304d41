; Writable words of the workload, each written by many cores on a cache line of its own.

.balign 64
start_barrier: .long 0
.balign 64
end_barrier: .long 0
.balign 64
failure: .quad 0                        ; address of the first reason, 0 = none
