"""Speed and memory of the platform as ratios, which mean the same on another machine.

``python -m bench`` measures everything in one run and writes ``results.json`` beside this file. Every area and size is
measured in a process of its own, with the same number of Polars threads, against something plain that does the least
the task needs; the two take turns, so that a busy machine slows both. Belongs here: measuring. Does not belong here:
anything the platform needs to run.
"""
