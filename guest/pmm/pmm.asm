; The physical memory manager, all of it. A program includes this after boot/kernel.asm and a
; protocol, and pmm/data.asm among its data.

.include "pmm/layout.inc"
.include "pmm/node.asm"
.include "pmm/ranges.asm"
.include "pmm/metadata.asm"
.include "pmm/alloc.asm"
.include "pmm/free.asm"
.include "pmm/regions.asm"
.include "pmm/memory_map.asm"
.include "pmm/init.asm"
.include "pmm/call.asm"
.include "pmm/check.asm"
