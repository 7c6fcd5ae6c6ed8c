"""What can be said of a network before any weight is drawn."""
