"""What Hydra finds only in here: sweepers, and how they launch. What they are made of is in src/sweeps/."""
