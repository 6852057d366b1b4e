"""Files for others: exported nets, and predictions."""
