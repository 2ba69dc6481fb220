"""The doctor's practice: rules, corrections and trials behind `doctor`."""
