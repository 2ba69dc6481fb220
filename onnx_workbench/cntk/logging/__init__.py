"""What CNTK keeps under `cntk.logging`."""
