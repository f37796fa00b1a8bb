"""One request carried out, from its words to its run folder."""
