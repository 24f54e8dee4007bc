"""What people read: schedules, runs and problems, as text, page or JSON. Nothing is written here."""
