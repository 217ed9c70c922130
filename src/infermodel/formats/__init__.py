"""Foreign file formats, one module each: they read a file and return numpy columns, or say which line is broken."""
