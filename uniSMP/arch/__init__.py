"""Facts of the manuals: registers, bits, reset values and descriptor formats. Pure data."""
