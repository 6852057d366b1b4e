"""What happens beside training: checkpoints, history, progress, a summary."""
