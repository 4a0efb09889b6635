"""What looks the same everywhere: addresses of people and machines, cards, accounts, dates."""

import ipaddress
import re

from governance.guardrails.pii.checksums import base58check, bech32, iban, luhn
from governance.guardrails.pii.recogniser import SURE, Recogniser

MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
DAY = r"(?:[12]\d|3[01]|0?[1-9])"
YEAR = r"(?:1[89]|20)\d{2}"
CLOCK = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?[ap]m)?(?:Z|[+-]\d{2}:?\d{2})?)?"
BORN = "born|birth|birthday|birthdate|dob|d\\.o\\.b\\.|geboren|geburtsdatum|nacimiento|naissance|nascita"
TELEPHONE = "phone|tel|telephone|telefon|mobile|cell|call|contact|fax|whatsapp|handy|ring|dial|reach|sms|text"
CARD_LENGTHS = {
    "3": {14, 15, 16, 19},
    "4": {13, 16, 19},
    "5": {16, 19},
    "6": {16, 17, 18, 19},
    "2": {15, 16},
    "1": {15},
}


def card(number: str) -> bool:
    """Check issuer's range, length and last digit."""
    if len(number) not in CARD_LENGTHS.get(number[0], ()) or len(set(number)) < 2:
        return False
    starts_well = {
        "3": number[:2] in {"30", "34", "35", "36", "37", "38", "39"},
        "5": True,
        "6": True,
        "2": 2221 <= int(number[:4]) <= 2720 or number[:4] == "2131",
        "1": number[:4] == "1800",
    }
    return starts_well.get(number[0], True) and luhn(number)


def address(text: str) -> bool:
    """Tell whether this is the address of a host or a network."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def telephone(digits: str) -> bool:
    """Tell whether it has as many digits as numbers have (ITU-T E.164)."""
    count = sum(map(str.isdigit, digits))
    return 7 <= count <= 15 and not re.match(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])", digits)


def not_an_ending(text: str) -> bool:
    """Tell a host name from a file name or a number."""
    return not re.search(
        r"(?i)\.(?:py|js|ts|md|txt|json|html?|css|csv|pdf|png|jpe?g|exe|java|sh|yml|yaml|log|xml|doc|zip)$",
        text,
    )


RECOGNISERS = (
    Recogniser("EMAIL_ADDRESS", r"[^\s@<>\"'(),:;\[\]\\|]{1,64}@(?:[^\s@<>\"'(),:;\[\]\\|!?*/]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|[a-zA-Z]{2,24}|[\x{a1}-\x{ffff}]{2,24})", SURE, digits=False),
    Recogniser("CREDIT_CARD", r"\b\d(?:[ -]?\d){12,18}\b", 0.3, valid=card, proven=0.9, context="card|visa|mastercard|amex|credit|debit|cc"),
    Recogniser("IBAN_CODE", r"(?i)\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b", 0.5, valid=iban, proven=SURE),
    Recogniser("IBAN_CODE", r"\b[A-Z]{2}\d{2}(?:[ -][A-Z0-9]{4}){2,7}(?:[ -][A-Z0-9]{1,4})?\b", 0.5, valid=iban, proven=SURE),
    Recogniser("CRYPTO", r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25,34})\b", 0.3, exact=base58check, proven=SURE),
    Recogniser("CRYPTO", r"\b(?:bc1|tb1|BC1)[a-zA-Z0-9]{11,71}\b", 0.5, exact=bech32, proven=SURE),
    Recogniser("CRYPTO", r"\b0x[a-fA-F0-9]{40}\b", 0.6, context="wallet|ethereum|eth|address|crypto"),
    Recogniser("IP_ADDRESS", r"\b(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,3})?\b", 0.6, exact=address),
    Recogniser("IP_ADDRESS", r"(?:^|[^\w:.])((?:[0-9a-fA-F]{0,4}:){2,8}(?:(?:\d{1,3}\.){1,3}\d{1,3}|[0-9a-fA-F]{1,4})?(?:/\d{1,3}\b)?)(?:$|[^\w:.]|\.(?:\s|$))", 0.6, exact=address, digits=False),
    Recogniser("IP_ADDRESS", r"(?:^|[^\w:.])((?:[0-9a-fA-F]{0,4}:){2,8}[0-9a-fA-F]{0,4})/", 0.5, exact=address, digits=False),
    Recogniser("MAC_ADDRESS", r"(?i)\b(?:[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})\b", 0.7, context="mac|hardware|ethernet|wifi", digits=False),
    Recogniser("PHONE_NUMBER", r"(?:^|[^\d ] ?)((?:\+\d{1,3}|00\d{1,3})[ .-]?(?:\(\d{1,5}\)[ .-]?)?\d(?:[ .()-]{0,2}\d){5,13}(?:\s?(?:x|ext\.?)\s?\d{1,6})?)\b", 0.6, valid=telephone, context=TELEPHONE),
    Recogniser("PHONE_NUMBER", r"(?:\(\d{2,5}\)|\b\d{3})[ .-]\d{3}[ .-]\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?\b", 0.55, valid=telephone, context=TELEPHONE),
    Recogniser("PHONE_NUMBER", r"(?:\(0\d{1,4}\)|\b0\d{1,4})(?:[ ./-]\d{2,8}){1,5}(?:\s?x\d{1,6})?\b", 0.4, valid=telephone, context=TELEPHONE),
    Recogniser("PHONE_NUMBER", r"(?:\(\d{2,5}\)|\b\d{2,4})(?:[ .-]\d{2,4}){1,4}\b", 0.2, valid=telephone, context=TELEPHONE),
    Recogniser("PHONE_NUMBER", r"\b\d{7,11}(?:x\d{2,6})?\b", 0.15, valid=telephone, context=TELEPHONE),
    Recogniser("URL", r"""(?i)["']?\b(?:https?|ftp)://[^\s<>"'(){}|\\^`]+["']?""", 0.6, digits=False),
    Recogniser("DOMAIN_NAME", r"(?i)(?:\bhttps?://|\bwww\.)[^\s/.<>\"]+(?:\.[^\s/.<>\"]+)+/?|\b[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9-]{2,30}){0,2}\.(?:com|net|org|io|edu|gov|info|biz|de|uk|fr|it|es|nl|br|ru|pl|ch|at|se|dk|au|ca|jp)(?:/[^\s]*)?\b", 0.55, exact=not_an_ending, digits=False),
    Recogniser("DATE_TIME", rf"(?i)\b{YEAR}[-/.](?:1[0-2]|0?[1-9])[-/.]{DAY}{CLOCK}", 0.7, context=BORN),
    Recogniser("DATE_TIME", rf"(?i)\b(?:{DAY}[-/.](?:1[0-2]|0?[1-9])|(?:1[0-2]|0?[1-9])[-/.]{DAY})[-/.](?:{YEAR}|\d{{2}}){CLOCK}\b", 0.6, context=BORN),
    Recogniser("DATE_TIME", rf"(?i)\b{DAY}(?:st|nd|rd|th)?[- .]{{1,2}}(?:of )?{MONTH}(?:[-, .]{{1,2}}(?:{YEAR}|\d{{2}}))?\b", 0.6, context=BORN),
    Recogniser("DATE_TIME", rf"(?i)\b{MONTH}[- .]{{1,2}}{DAY}(?:st|nd|rd|th)?(?:,? {YEAR})?\b", 0.6, context=BORN),
    Recogniser("DATE_TIME", rf"(?i)\b(?:{MONTH} {YEAR}|(?:1[0-2]|0?[1-9])/{YEAR})\b", 0.6, context=BORN),
    Recogniser("DATE_TIME", rf"(?i)\b{YEAR}s?\b", 0.3, context="in|since|during|from|year|until|by|of|before|after|around"),
    Recogniser("DATE_TIME", r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b", 0.5, digits=False),
    Recogniser("DATE_OF_BIRTH", rf"(?i)(?:{BORN})[^\d\n]{{0,20}}((?:{DAY}[-/. ](?:0?[1-9]|1[0-2]|{MONTH})|(?:1[0-2]|0?[1-9])[-/.]{DAY})[-/. ,]{{1,2}}(?:{YEAR}|\d{{2}})|{YEAR}-\d{{2}}-\d{{2}}|{MONTH} {DAY},? {YEAR})\b", 0.85),
    Recogniser("AGE", r"(?i)\b(\d{1,3})(?:[ -](?:years?|yrs?|yo|y/o|months?)(?:[ -]olds?)?\b)", 0.4, context="old|aged?|female|male|man|woman|boy|girl|patient"),
    Recogniser("AGE", r"(?i)\b(?:aged?|age of|age is|age:|turned|turning)\s{1,2}(\d{1,3})\b", 0.7),
)  # fmt: skip
