"""The parent: slots, deadlines, kills, respawn, lease and shutdown. It never imports user code."""
