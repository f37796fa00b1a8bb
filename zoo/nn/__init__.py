"""What adapters are built from, in the tree or out of it: windowed layers, style and residual networks."""
