"""Who is told when the health of a schedule or of the service changes."""
