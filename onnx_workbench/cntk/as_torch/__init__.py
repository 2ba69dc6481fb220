"""Graphs of CNTK computed by PyTorch, for gradients."""
