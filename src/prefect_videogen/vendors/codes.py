"""The vendors' error codes and wordings, sorted into families that mean the same to us.

Pure. Messages are searched only for the few wordings that change what to do; that a code counts
more than a wording, and which error a family becomes, is in `refusals`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Family = Literal[
    "", "content", "parameters", "input", "credits", "quota", "throttle", "key", "model",
    "transient", "cancelled", "not-found", "conflict", "paid-unknown",
]  # fmt: skip

# Contracts 1.5 (APIXO), 4.4, 4.5 and 4.7 (EvoLink), without case and punctuation: the vendors
# write both SHOUTED and CamelCase. The lists are open, so unlisted codes belong to no family.
_FAMILIES: Mapping[Family, str] = {
    "content": "contentviolation contentpolicyviolation",
    "parameters": "prompttoolong promptlengthexceeded invalidprompt imagetoolarge"
    " unsupportedformat invalidparameters imageprocessingerror imagedimensionmismatch"
    " invalidrequest requesttoolarge",
    "input": "invalidimageurl imagedownloadfailed invalidloraurl resourcenotfound",
    "credits": "insufficientcredits insufficientbalance insufficientquota insufficienttokenquota",
    "quota": "quotaexceeded tokendailyquotaexceeded",
    "throttle": "ratelimitexceeded queuefull",
    "key": "unauthorized permissiondenied invalidapikey",
    "model": "modelaccessdenied modelnotfound",
    "transient": "processingtimeout modelunavailable serviceerror generationtimeout"
    " resourceexhausted serviceunavailable unknownerror",
    "cancelled": "requestcancelled requestcanceled",
    "not-found": "tasknotfound invalidtaskid",
    "conflict": "idempotencyconflict",
    "paid-unknown": "paidoutcomeunknown",
}
_FAMILY_OF: Mapping[str, Family] = {
    code: family for family, codes in _FAMILIES.items() for code in codes.split()
}

# `SensitiveContent...`, `NSFW...`, `Prohibited...` are families by themselves [contracts 1.5].
_CONTENT_CODE = re.compile(r"nsfw|sensitivecontent|contentdetected|prohibitedcontent")

_CREDITS_TEXT = re.compile(
    r"(?i)(insufficient|not enough|too low|exhausted|run out).{0,40}(credit|balance|fund|quota)"
    r"|(credit|balance|fund|quota)s?\b.{0,40}(insufficient|not enough|too low|exhausted)"
)
_THROTTLE_TEXT = re.compile(
    r"(?i)queue\b.{0,30}\bfull|full\b.{0,15}\bqueue|rate.?limit"
    r"|too many (requests|tasks|jobs|concurrent)"
    r"|concurren\w*.{0,30}(limit|exceed|reached|full)"
)
_CONTENT_TEXT = re.compile(
    r"(?i)nsfw|moderation|inappropriate|safety"
    r"|(contains|contain|detected) sensitive|(sensitive|prohibited) (content|word|material|image)"
    r"|content.{0,20}(polic|violat|filter|guideline|not allowed|rejected)"
    r"|violat\w*.{0,30}(polic|guideline|rule|terms)|(polic|guideline)\w*.{0,20}violat"
)
_INPUT_TEXT = re.compile(
    r"(?i)(cannot|can.t|could not|couldn.t|failed to|unable to) "
    r"(download|fetch|access|load|reach).{0,40}(image|picture|url|file|lora)"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{3,79}")


def family_of_code(code: str | None) -> Family:
    """Name the family of an error code; empty for codes nobody has documented."""
    plain = re.sub(r"[^a-z0-9]", "", (code or "").lower())
    if plain in _FAMILY_OF:
        return _FAMILY_OF[plain]
    return "content" if _CONTENT_CODE.search(plain) else ""


def code_in_text(text: str) -> str | None:
    """Find a documented identifier in a message [contracts 1.5: it may come in an error]."""
    for word in _WORD.findall(text):
        identifier = "_" in word or any(c.isupper() for c in word[1:])
        if identifier and family_of_code(word):
            return str(word)
    return None


def family_of_text(text: str) -> Family:
    """Guess the family from a message in plain words."""
    found = family_of_code(code_in_text(text))
    if found:
        return found
    patterns: tuple[tuple[re.Pattern[str], Family], ...] = (
        (_CREDITS_TEXT, "credits"),
        (_THROTTLE_TEXT, "throttle"),
        (_INPUT_TEXT, "input"),
        (_CONTENT_TEXT, "content"),
    )
    return next((family for pattern, family in patterns if pattern.search(text)), "")
