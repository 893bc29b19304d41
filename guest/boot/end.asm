; The last line of every program: the end of the bytes in the file.

.balign 16
image_end:
