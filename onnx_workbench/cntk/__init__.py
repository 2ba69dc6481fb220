"""CNTK models and CNTK code, with no CNTK installed."""
