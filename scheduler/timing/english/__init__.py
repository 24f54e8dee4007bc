"""Timings in English words: read from them, and written as them."""
