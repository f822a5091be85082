"""What the host's kernel offers, and how to do without it: pidfds, prctl, /proc, signals, CPU quota."""
