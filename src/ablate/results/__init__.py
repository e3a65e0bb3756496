"""What runs left, collected, and the forms in which it is read: tables, statistics, the report."""
