"""What a column holds, and how its fields are written."""
