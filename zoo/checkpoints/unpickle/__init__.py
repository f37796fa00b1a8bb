"""Reading pickles without running them: `pickles` turns one into inert `records`, and `contents` takes what they hold.

No class is looked up and no function is called that a file names. A name in a file is text to be compared with the few
names that zoo knows how to read, and everything else stays what it is: a note of what the file asked for.
"""
