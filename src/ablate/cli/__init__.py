"""The commands, and nothing that a library function could not do."""
