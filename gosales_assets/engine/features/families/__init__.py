"""Feature families, one module each: its declarations and how they are computed.

Belongs here: one module per family with a function ``declare_features(plan)`` that yields every feature of the
family, name, meaning and computation side by side. A new family is a new module plus its line in `registry.FAMILIES`.
Does not belong here: reading facts, joining to the roster, capping, the order of columns.
"""
