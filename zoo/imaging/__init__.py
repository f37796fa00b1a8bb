"""From tensors to pictures, sheets and animations."""
