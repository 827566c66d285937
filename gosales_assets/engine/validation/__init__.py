"""Phase 5: the scores of a cutoff against what happened afterwards.

Belongs here: the frame of scores and true forward labels, the tables and documents made of it, drift, alerts, and the
evidence that later cutoffs may read. Does not belong here: the formulas (`engine.metrics`), the label itself
(`engine.labels`), and what is done about bad news.

What is not known is said, not guessed: while the label window is open every outcome is null, and a check that could
not be made is listed as unknown.
"""
