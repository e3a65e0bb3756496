"""Proof that travels: committed results checked against their records, and carried into papers, crates and cards."""
