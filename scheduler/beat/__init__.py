"""What the beat process runs: it leads or stands by, decides what is due, and sends it."""
