"""What shape, dtype and axes each operator's outputs have."""
