"""Wide networks, layer by layer: moments pooled over all units, gradients, correlations."""
