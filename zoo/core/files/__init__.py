"""The files of the core: codes, directions and masks, those that zoo writes and those of other projects."""
