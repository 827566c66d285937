"""Roll-ups and published reports.

`rollups` stacks partitions into long tables, `cross_sell` ranks existing accounts by what they lack, `summary` puts
those lists into words, `schema` holds the contracts. Does not belong here: scores, metrics, and the ranked list itself.
"""
