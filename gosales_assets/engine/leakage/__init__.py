"""The gauntlet: audits that say whether a number can be trusted.

`static_scan` judges source text, `date_audit` a feature matrix, `report` everything known about one model; `schema`
holds the contracts. Does not belong here: fitting, features, and what happens downstream of a verdict.
"""
