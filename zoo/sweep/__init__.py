"""Many analyses from one file: a grid of models, analyzers, regions, layers, labels and seeds."""
