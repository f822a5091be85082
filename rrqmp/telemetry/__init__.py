"""What is counted and timed, and where it goes."""
