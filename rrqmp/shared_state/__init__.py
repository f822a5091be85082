"""What both sides of a fork hold: the board's layout, the messages, the launch order, the exit report."""
