"""Feature families, one module each: its declarations and how they are computed.

Belongs here: one module per family with a function ``declare_features(plan)`` that yields every feature of the
family, name, meaning and computation side by side. A new family is a new module plus its line in `registry.FAMILIES`.
A family of the target that rests on lines of all products has a function ``declare_shared(plan)`` too, for the columns
the customer base holds for it, so that they are worked out once per cutoff.
Does not belong here: reading facts, joining to the roster, capping, the order of columns.
"""
