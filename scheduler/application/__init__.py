"""What an application brings along: its ``beat_schedule``, in the words of the schedule file."""
