"""The model against measurements: what it predicts of real servers, and constants fitted to them."""
