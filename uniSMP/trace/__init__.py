"""What a run did, instruction by instruction."""
