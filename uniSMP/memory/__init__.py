"""The machine's RAM, sizes as people write them, and images as boot loaders read them."""
