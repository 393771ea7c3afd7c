"""Names of the countries we know crisis lines of, and emergency numbers that are law there."""

from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, str]] = {
    "AR": "Argentina", "AT": "Austria", "AU": "Australia", "BD": "Bangladesh", "BE": "Belgium",
    "BN": "Brunei", "BR": "Brazil", "CA": "Canada", "CH": "Switzerland", "CL": "Chile",
    "CN": "China", "CO": "Colombia", "CZ": "Czechia", "DE": "Germany", "DK": "Denmark",
    "EE": "Estonia", "ES": "Spain", "FI": "Finland", "FR": "France", "GB": "United Kingdom",
    "GH": "Ghana", "GR": "Greece", "HK": "Hong Kong", "HR": "Croatia", "HU": "Hungary",
    "ID": "Indonesia", "IE": "Ireland", "IL": "Israel", "IN": "India", "IR": "Iran",
    "IS": "Iceland", "IT": "Italy", "JP": "Japan", "KE": "Kenya", "KR": "South Korea",
    "LB": "Lebanon", "LK": "Sri Lanka", "LT": "Lithuania", "LV": "Latvia", "MX": "Mexico",
    "MY": "Malaysia", "NG": "Nigeria", "NL": "Netherlands", "NO": "Norway", "NP": "Nepal",
    "NZ": "New Zealand", "PE": "Peru", "PH": "Philippines", "PK": "Pakistan", "PL": "Poland",
    "PT": "Portugal", "RO": "Romania", "RU": "Russia", "SE": "Sweden", "SG": "Singapore",
    "SI": "Slovenia", "SK": "Slovakia", "TH": "Thailand", "TW": "Taiwan", "UA": "Ukraine",
    "US": "United States", "ZA": "South Africa",
}  # fmt: skip

# 112 in every state of the European Economic Area: Directive (EU) 2018/1972, article 109.
_EEA = "AT BE CZ DE DK EE ES FI FR GR HR HU IE IS IT LT LV NL NO PL PT RO SE SI SK"

EMERGENCY: Final[Mapping[str, str]] = {
    **dict.fromkeys(_EEA.split(), "112"),
    "GB": "999 or 112",
    "US": "911",
    "CA": "911",
    "AU": "000",
    "NZ": "111",
    "IN": "112",
}
"""Where a number is not here, people are told to call their country's own."""
