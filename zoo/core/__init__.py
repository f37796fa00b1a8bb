"""The contract: what plugin authors subclass and pass around. Nothing here reads a model or fetches a file."""
