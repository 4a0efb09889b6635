"""Numbers that states of America, Asia, Africa and Oceania issue."""

from governance.guardrails.pii.checksums import is_varied, luhn, verhoeff, weighted
from governance.guardrails.pii.europe import PASSPORT, PLATE, is_day
from governance.guardrails.pii.recogniser import SURE, Recogniser

INDIAN_STATES = "AN|AP|AR|AS|BH|BR|CG|CH|DD|DL|DN|GA|GJ|HP|HR|JH|JK|KA|KL|LA|LD|MH|ML|MN|MP|MZ|NL|OD|OR|PB|PY|RJ|SK|TN|TR|TS|TG|UK|UP|WB"
NRIC = "JZIHGFEDCBA", "XWUTRQPNMLK"
THAI_PROVINCES = frozenset(
    [
        *range(10, 28),
        *range(30, 50),
        *range(50, 59),
        *range(60, 68),
        *range(70, 78),
        *range(80, 87),
        *range(90, 97),
    ]
)
UEN_BUSINESS, UEN_COMPANY = "XMKECAWLJDB", "ZKCMDNERGWH"
NEVER_ISSUED = frozenset({"078051120", "219099999", "123456789"})


def ssn(number: str) -> bool:
    """Tell whether the Social Security Administration could have issued it."""
    area, group, serial = number[:3], number[3:5], number[5:]
    return (
        area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"
        and number not in NEVER_ISSUED and is_varied(number)
    )  # fmt: skip


def aba(number: str) -> bool:
    """Check an American routing number."""
    return is_varied(number) and weighted(number, (3, 7, 1) * 3) % 10 == 0


def npi(number: str) -> bool:
    """Check an American provider's number: Luhn with the issuer's prefix 80840."""
    return is_varied(number) and luhn("80840" + number)


def dea(text: str) -> bool:
    """Check an American prescriber's certificate number."""
    digits = text[2:]
    return (weighted(digits[0:6:2], (1, 1, 1)) + 2 * weighted(digits[1:6:2], (1, 1, 1))) % 10 == int(
        digits[6]
    )


def sin_ca(number: str) -> bool:
    """Check a Canadian social insurance number."""
    return number[0] not in "08" and is_varied(number) and luhn(number)


def abn(number: str) -> bool:
    """Check an Australian business number."""
    first = str(int(number[0]) - 1) if number[0] != "0" else "9"
    return (
        number[0] != "0" and weighted(first + number[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0
    )


def acn(number: str) -> bool:
    """Check an Australian company number."""
    return is_varied(number) and (10 - weighted(number[:8], range(8, 0, -1)) % 10) % 10 == int(number[8])


def tfn(number: str) -> bool:
    """Check an Australian tax file number."""
    return is_varied(number) and weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def medicare(number: str) -> bool:
    """Check an Australian Medicare number."""
    return weighted(number[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def born_kr(number: str) -> bool:
    """Check the date in a Korean number; numbers given since October 2020 have no check digit."""
    month = int(number[2:4])
    return 1 <= month <= 12 and is_day(int(number[4:6]) or 99, month)


def brn(number: str) -> bool:
    """Check a Korean business number."""
    total = weighted(number[:9], (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(number[8]) * 5 // 10
    return is_varied(number) and (10 - total % 10) % 10 == int(number[9])


def thai(number: str) -> bool:
    """Check province and last digit of a Thai number."""
    return (
        int(number[1:3]) in THAI_PROVINCES
        and is_varied(number)
        and (11 - weighted(number[:12], range(13, 1, -1)) % 11) % 10 == int(number[12])
    )


def nric(text: str) -> bool:
    """Check the letter of a Singaporean NRIC or FIN of the series S, T, F and G."""
    if text[0] not in "STFG":
        return False
    total = weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + (4 if text[0] in "TG" else 0)
    return NRIC[text[0] in "FG"][total % 11] == text[8]


def uen(text: str) -> bool:
    """Check a Singaporean entity number; those that begin with a letter carry a check nobody published."""
    if text[0].isalpha():
        return True
    if len(text) == 9:
        return UEN_BUSINESS[weighted(text[:8], (10, 4, 9, 3, 8, 2, 7, 1)) % 11] == text[8]
    return UEN_COMPANY[weighted(text[:9], (10, 8, 6, 4, 9, 7, 5, 3, 1)) % 11] == text[9]


def aadhaar(number: str) -> bool:
    """Check an Indian Aadhaar number: no palindrome, Verhoeff."""
    return number != number[::-1] and verhoeff(number)


def born_za(number: str) -> bool:
    """Check date and last digit of a South African identity number."""
    month = int(number[2:4])
    return 1 <= month <= 12 and is_day(int(number[4:6]) or 99, month) and luhn(number)


RECOGNISERS = (
    Recogniser("US_SSN", r"\b\d{3}([- ])\d{2}([- ])\d{4}\b".replace("(", "(?:"), 0.5, valid=ssn, proven=0.6, context="ssn|social security|social|soc sec|ss#"),
    Recogniser("US_SSN", r"\b\d{9}\b", 0.05, valid=ssn, proven=0.1, context="ssn|social security|soc sec|ss#"),
    Recogniser("US_ITIN", r"\b9\d{2}[- ]?(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[- ]?\d{4}\b", 0.3, context="itin|taxpayer|tax id|individual taxpayer"),
    Recogniser("US_PASSPORT", r"(?i)\b(?:[A-Z]\d{8}|\d{9})\b", 0.05, context="passport|us passport|travel document"),
    Recogniser("US_DRIVER_LICENSE", r"(?i)\b(?:[A-Z]\d{3,14}|[A-Z]{2}\d{2,7}|[A-Z]\d{2,5}[A-Z]{2,3}\d{1,5}|\d{2}[A-Z]{3}\d{5,6}|\d{6,14}|\d{16})\b", 0.05,
               context="driver'?s?|driving|licen[cs]e|permit|dl|dmv"),
    Recogniser("US_BANK_NUMBER", r"\b\d{8,17}\b", 0.05, context="bank account|account number|account no|checking|savings|acct"),
    Recogniser("ABA_ROUTING_NUMBER", r"\b[0123678]\d{3}-?\d{4}-?\d\b", 0.1, valid=aba, proven=0.2, context="routing|aba|bank|wire|transit"),
    Recogniser("US_NPI", r"\b[12]\d{3}[- ]?\d{3}[- ]?\d{3}\b", 0.1, valid=npi, proven=0.3, context="npi|provider|physician"),
    Recogniser("US_MBI", r"(?i)\b[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}\b", 0.6,
               context="mbi|medicare|beneficiary"),
    Recogniser("MEDICAL_LICENSE", r"(?i)\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b", 0.2, valid=dea, proven=0.4, context="dea|medical|certificate|prescriber"),
    Recogniser("CA_SIN", r"\b\d{3}[- ]?\d{3}[- ]?\d{3}\b", 0.1, valid=sin_ca, proven=0.3, context="sin|nas|social insurance|assurance sociale"),
    Recogniser("AU_ABN", r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b", 0.2, valid=abn, proven=0.5, context="abn|australian business"),
    Recogniser("AU_ACN", r"\b\d{3} ?\d{3} ?\d{3}\b", 0.1, valid=acn, proven=0.2, context="acn|australian company"),
    Recogniser("AU_TFN", r"\b\d{3} ?\d{3} ?\d{3}\b", 0.1, valid=tfn, proven=0.2, context="tfn|tax file"),
    Recogniser("AU_MEDICARE", r"\b[2-6]\d{3} ?\d{5} ?\d\d?\b", 0.1, valid=medicare, proven=0.3, context="medicare"),
    Recogniser("IN_AADHAAR", r"\b[2-9]\d{3}[- ]?\d{4}[- ]?\d{4}\b", 0.2, valid=aadhaar, proven=0.5, context="aadhaar|aadhar|uidai"),
    Recogniser("IN_PAN", r"(?i)\b[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z]\b", 0.5, context="pan|permanent account|income tax"),
    Recogniser("IN_GSTIN", r"\b(?:0[1-9]|[12]\d|3[0-8])[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]\b", 0.7, context="gst|gstin"),
    Recogniser("IN_PASSPORT", r"\b[A-PR-WY][1-9]\d ?\d{4}[1-9]\b", 0.1, context=PASSPORT),
    Recogniser("IN_VOTER", r"(?i)\b[A-Z]{3}\d{7}\b", 0.2, context="voter|vote|epic|elector"),
    Recogniser("IN_VEHICLE_REGISTRATION", rf"(?i)\b(?:(?:{INDIAN_STATES})[- ]?\d{{1,2}}[- ]?[A-Z]{{1,3}}[- ]?\d{{4}}|[A-Z]{{3}}\d{{4}}|I\d{{5}}|[1-9]\d[A-Z]\d{{4,6}}[A-Z])\b", 0.1, context=PLATE),
    Recogniser("KR_RRN", r"\b\d{6}-?[1-4]\d{6}\b", 0.2, valid=born_kr, proven=0.4, context="rrn|resident|주민등록번호|주민번호"),
    Recogniser("KR_FRN", r"\b\d{6}-?[5-8]\d{6}\b", 0.2, valid=born_kr, proven=0.4, context="frn|foreigner|alien|외국인등록번호"),
    Recogniser("KR_BRN", r"\b\d{3}-?\d{2}-?\d{5}\b", 0.1, valid=brn, proven=0.4, context="brn|business|사업자등록번호"),
    Recogniser("KR_PASSPORT", r"(?i)\b[MSROD](?:\d{8}|\d{3}[A-Z]\d{4})\b", 0.15, context="passport|여권"),
    Recogniser("KR_DRIVER_LICENSE", r"\b(?:1[1-9]|2[0-68])-\d{2}-\d{6}-\d{2}\b", 0.5, context="licen[cs]e|면허|운전면허"),
    Recogniser("TH_TNIN", r"\b[1-8]\d{12}\b", 0.2, valid=thai, proven=0.5, context="thai|tnin|national id|เลขบัตรประชาชน|บัตรประชาชน"),
    Recogniser("SG_NRIC_FIN", r"(?i)\b[STFGM]\d{7}[A-Z]\b", 0.3, bonus=nric, proven=0.8, context="nric|fin"),
    Recogniser("SG_UEN", r"(?i)\b(?:\d{8}[A-Z]|(?:19|20)\d{2}\d{5}[A-Z]|[TSR]\d{2}[A-Z]{2}\d{4}[A-Z])\b", 0.2, valid=uen, proven=0.4, context="uen|entity"),
    Recogniser("PH_MOBILE_NUMBER", r"(?:\+63[- ]?|\b0[- ]?)\(?9\d{2}\)?[- ]?\d{3}[- ]?\d{4}\b", 0.5, context="mobile|phone|cell|call|text"),
    Recogniser("PH_TIN", r"\b(?:\d{3}-\d{3}-\d{3}(?:-\d{3,5})?|\d{12,14})\b", 0.1, context="tin|bir|taxpayer"),
    Recogniser("PH_SSS", r"\b\d{2}-\d{7}-\d\b", 0.3, context="sss|social security"),
    Recogniser("PH_UMID", r"\b\d{4}-\d{7}-\d\b", 0.3, context="umid|crn"),
    Recogniser("NG_NIN", r"\b\d{11}\b", 0.05, bonus=verhoeff, proven=0.2, context="nin|nigerian?|national identification"),
    Recogniser("NG_VEHICLE_REGISTRATION", r"(?i)\b[A-Z]{3}-?\d{3}[A-Z]{2}\b", 0.2, context=PLATE),
    Recogniser("ZA_ID_NUMBER", r"\b\d{10}[01]\d{2}\b", 0.2, valid=born_za, proven=SURE - 0.25, context="south african|rsa|identity number|id number"),
)  # fmt: skip
