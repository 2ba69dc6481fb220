"""Jupyter server extension: Netron and model bytes, behind Jupyter's own login."""
