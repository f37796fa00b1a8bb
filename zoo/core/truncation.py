"""How far drawn codes may be from the mean code."""

# The largest truncation that any family takes; 0 is the mean code, 1 is no truncation. A family may allow less.
MOST_TRUNCATION = 2.0
