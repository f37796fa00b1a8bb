"""Reading pickles without running them.

`interpreter` turns a pickle into inert `records`; `objects`, `tensors` and `state_dict` take tensors and plain values
out of these. The safety of this rests on three facts, which hold for every file:

1. No class or function that a file names is ever looked up. A name is text (`records.Global`), which is compared with
   the few names that zoo knows how to read.
2. Nothing that a file asks to call is called. REDUCE, NEWOBJ, OBJ and INST push a `records.Record`, which states the
   call, and BUILD adds a state to one. What a record means, zoo's own code decides by the name in it.
3. Time and memory are bounded by `limits`, whatever the file claims.
"""
