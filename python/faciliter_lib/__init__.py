# SPDX-License-Identifier: MIT
"""The drop-in Python package over libfaciliter. What there is, is in faciliter_lib.cache."""
