"""The gauntlet: audits that say whether a number can be trusted."""
