"""What each command does: a function whose parameters are its options, which makes a request, runs it and prints."""
