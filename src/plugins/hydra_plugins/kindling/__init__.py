"""What Hydra finds only in here: sweepers. What they are made of is in src/sweeps/."""
