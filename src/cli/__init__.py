"""The command line: entry points, and what they say of a mistake."""
