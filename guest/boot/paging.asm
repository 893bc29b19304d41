; Page tables: the first 4 GiB identity mapped. Code is read-only, everything else is no-execute,
; page 0 is absent (a null pointer faults), devices are uncached.

.set TRAMPOLINE_ENTRY, LOW_PAGE_TABLE + (TRAMPOLINE_BASE >> 9)
.set IMAGE_ENTRY, LOW_PAGE_TABLE + (IMAGE_BASE >> 9)
.set PAGE_READ_ONLY, 0xFFFFFFFD

.code32

; build_page_tables - fills the tables at PML4_TABLE; they lie in zeroed memory.
; In: none. Out: tables filled. Clobbers: eax ecx edx edi. Lock: none (one core runs). IF: 0.
build_page_tables:
    mov dword ptr [PML4_TABLE], PDPT_TABLE + PAGE_PRESENT + PAGE_WRITABLE
    mov dword ptr [PDPT_TABLE], PD_TABLES + PAGE_PRESENT + PAGE_WRITABLE
    mov dword ptr [PDPT_TABLE + 8], PD_TABLES + 0x1000 + PAGE_PRESENT + PAGE_WRITABLE
    mov dword ptr [PDPT_TABLE + 16], PD_TABLES + 0x2000 + PAGE_PRESENT + PAGE_WRITABLE
    mov dword ptr [PDPT_TABLE + 24], PD_TABLES + 0x3000 + PAGE_PRESENT + PAGE_WRITABLE
    mov edi, PD_TABLES
    mov eax, PAGE_PRESENT + PAGE_WRITABLE + PAGE_LARGE
    mov ecx, 2048
build_large_page:
    mov [edi], eax
    mov dword ptr [edi + 4], PAGE_NO_EXECUTE_HIGH
    add eax, 0x200000
    cmp eax, DEVICE_BASE
    jb build_large_next
    or eax, PAGE_UNCACHED
build_large_next:
    add edi, 8
    dec ecx
    jnz build_large_page
    mov dword ptr [PD_TABLES], LOW_PAGE_TABLE + PAGE_PRESENT + PAGE_WRITABLE
    mov dword ptr [PD_TABLES + 4], 0
    mov edi, LOW_PAGE_TABLE + 8
    mov eax, PAGE_BYTES + PAGE_PRESENT + PAGE_WRITABLE
    mov ecx, 511
build_small_page:
    mov [edi], eax
    mov dword ptr [edi + 4], PAGE_NO_EXECUTE_HIGH
    add eax, PAGE_BYTES
    add edi, 8
    dec ecx
    jnz build_small_page
    mov dword ptr [TRAMPOLINE_ENTRY + 4], 0
    mov edi, IMAGE_ENTRY
    mov ecx, image_data
    sub ecx, IMAGE_BASE
    shr ecx, 12
build_code_page:
    and dword ptr [edi], PAGE_READ_ONLY
    mov dword ptr [edi + 4], 0
    add edi, 8
    dec ecx
    jnz build_code_page
    ret
