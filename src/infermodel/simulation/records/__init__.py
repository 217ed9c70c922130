"""What a run leaves behind; nobody asks it anything while it runs."""
