"""The regions that every model has."""

from __future__ import annotations

from collections.abc import Mapping

# Name → text, as `zoo.core.region` reads it.
COMMON_REGIONS: Mapping[str, str] = {
    "all": "box:0.0,0.0,1.0,1.0",
    "center": "box:0.25,0.25,0.5,0.5",
    "left": "box:0.0,0.0,1.0,0.5",
    "right": "box:0.0,0.5,1.0,0.5",
    "top": "box:0.0,0.0,0.5,1.0",
    "bottom": "box:0.5,0.0,0.5,1.0",
}
