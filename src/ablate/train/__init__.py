"""From a pack to a run's folder: the training engine."""
