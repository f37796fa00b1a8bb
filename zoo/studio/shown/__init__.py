"""What the page shows: open models, codes and moves, pictures of them."""
