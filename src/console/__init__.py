"""What the user sees: messages, progress bars, signals."""
