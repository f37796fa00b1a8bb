"""Fine-tuning a network's weights at found codes, so that it draws the very pictures (pivotal tuning)."""
