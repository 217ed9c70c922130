"""Alike replicas behind one router, and what befalls them."""
