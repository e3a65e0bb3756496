"""What a process needs of its machine: cores, GPUs, locks, checkpoints, progress, a manifest."""
