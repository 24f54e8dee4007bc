"""A crontab as a schedule file: each job does what it did; what cannot move is listed with the reason."""
