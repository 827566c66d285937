"""Phase 2: what is known of each customer at a cutoff.

Belongs here: features, their declarations, their catalog and statistics. Does not belong here: labels, models, files.

>>> from gosales_assets.settings import FeatureSettings
>>> specs = feature_specs(FeatureSettings(windows_months=(3,)), ["Services"])
>>> [s.name for s in specs if s.family == "rfm" and s.window_months == 3 and s.scope == "div"][:2]
['rfm__div__tx_n__3m', 'rfm__div__gp_sum__3m']
"""

from gosales_assets.engine.features.base import CONTEXT, customer_base
from gosales_assets.engine.features.build import FeatureBuild, build_features
from gosales_assets.engine.features.profile import profile
from gosales_assets.engine.features.registry import feature_list, feature_specs, safe_features
from gosales_assets.engine.features.spec import FeatureSpec

__all__ = [
    "CONTEXT",
    "FeatureBuild",
    "FeatureSpec",
    "build_features",
    "customer_base",
    "feature_list",
    "feature_specs",
    "profile",
    "safe_features",
]
