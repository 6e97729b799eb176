"""What is printed: tables, progress, ranks."""
