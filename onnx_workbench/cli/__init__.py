"""The workbench's verbs in a terminal."""
