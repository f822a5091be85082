"""`rrqmp demo`: the standard library is measured, four handlers misbehave, and everything else goes on."""
