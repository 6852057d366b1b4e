"""What the module is made of: loss, metrics, optimizer and schedule, weights, intervals."""
