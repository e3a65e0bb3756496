"""What the rules of the workflow ask: which jobs are due and why, and what that will cost."""
