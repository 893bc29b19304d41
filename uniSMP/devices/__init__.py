"""Chips of a PC as pure state machines: an access in, messages out. No engine, no clock."""
