"""Data sets: fetched, verified, reorganised and packed once, then read as flat arrays."""
