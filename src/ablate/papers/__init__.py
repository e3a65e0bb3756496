"""What a paper says: its numbers, where it is silent, its claims."""
