"""KV memory of one replica: its blocks, what in them others can find, and the face that a scheduler asks."""
