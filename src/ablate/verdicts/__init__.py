"""From results to a finding on every claim."""
