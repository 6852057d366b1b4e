"""From files to a Dataset of (x, y): tables, images, arrays; how one is split and loaded."""
