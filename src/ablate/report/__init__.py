"""The report: one HTML file that a reader keeps open, and the same page over a study that runs."""
