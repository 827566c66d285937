"""Roll-ups and published reports.

`rollups` stacks partitions into long tables, `accounts` ranks existing accounts by what they lack, `summary` puts
those lists into words, `cross_sell` gives both in one call, `schema` holds the contracts. Does not belong here: scores,
metrics, and the ranked list itself.
"""
