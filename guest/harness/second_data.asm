; Writable words of harness/second.asm.

.balign 64
second_first: .long 0
second_last: .long 0
