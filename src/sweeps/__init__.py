"""Many runs of one command: a folder for each job, those that were done before, and what came out."""
