"""The GoSales engine: pure functions, frames in, frames out.

Belongs here: every formula of the platform. Does not belong here: Dagster, files, environment, the wall clock.
The engine imports nothing of the package but `taxonomy` and `timeline`; settings reach it as arguments.
"""
