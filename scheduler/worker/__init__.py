"""What the worker process runs: it claims a run, runs the task's body, and closes the run."""
