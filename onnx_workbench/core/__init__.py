"""What everything stands on: errors, formatting, the Model and its file, pictures."""
