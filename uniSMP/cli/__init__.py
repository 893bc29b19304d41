"""The command `unismp`."""
