"""The search for codes: what is minimised, where it begins, its solvers, and the choice between what they find."""
