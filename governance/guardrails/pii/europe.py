"""Numbers that European states issue."""

from datetime import date

from governance.guardrails.pii.checksums import (
    crossed,
    icao,
    is_varied,
    luhn,
    mod_11_10,
    weighted,
)
from governance.guardrails.pii.recogniser import SURE, Recogniser

SPANISH = "TRWAGMYFPDXBNJZSQVHLCKE"
FINNISH = "0123456789ABCDEFHJKLMNPRSTUVWXY"
ITALIAN_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
PENSION_WEIGHTS = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
TAX = "tax|steuer|steuernummer|steuer-?id|idnr|tin|fiscal|fiscale|impuestos"
PASSPORT = "passport|pass|reisepass|passnummer|pasaporte|passaporto|travel document"
PLATE = "plate|plates|licen[cs]e plate|registration|vehicle|car|kennzeichen|targa|plaka|plakas\u0131|araç|reg|bike"


def is_day(day: int, month: int, year: int = 2000) -> bool:
    """Tell whether there is such a day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def nhs(number: str) -> bool:
    """Check the last digit, modulus 11 (NHS Data Dictionary)."""
    check = 11 - weighted(number[:9], range(10, 1, -1)) % 11
    return is_varied(number) and check != 10 and check % 11 == int(number[9])


def nif(text: str) -> bool:
    """Check the letter of a Spanish DNI or NIF."""
    return SPANISH[int(text[:-1]) % 23] == text[-1]


def nie(text: str) -> bool:
    """Check the letter of a Spanish foreigner's number."""
    return nif(str("XYZ".index(text[0])) + text[1:])


def fiscal_code(text: str) -> bool:
    """Check the last letter of an Italian codice fiscale."""
    odd = sum(ITALIAN_ODD[letter] for letter in text[0:15:2])
    even = sum(int(letter, 36) if letter.isdigit() else ord(letter) - 65 for letter in text[1:15:2])
    return chr((odd + even) % 26 + 65) == text[15]


def vat_it(text: str) -> bool:
    """Check an Italian partita IVA."""
    return is_varied(text) and luhn(text)


def pesel(number: str) -> bool:
    """Check date and last digit of a Polish PESEL."""
    month = int(number[2:4]) % 20
    return is_day(int(number[4:6]), month) if 1 <= month <= 12 and _pesel(number) else False


def _pesel(number: str) -> bool:
    return (10 - weighted(number[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(number[10])


def hetu(text: str) -> bool:
    """Check date and last character of a Finnish personal identity code, given without its sign of the century."""
    digits = text[:6] + text[-4:-1]
    return is_day(int(text[:2]), int(text[2:4])) and FINNISH[int(digits) % 31] == text[-1]


def personnummer(text: str) -> bool:
    """Check date and last digit of a Swedish personal number, of 10 or 12 digits; coordination numbers too."""
    digits = text.replace("+", "")[-10:]
    return (
        is_day(int(digits[4:6]) % 60 or 99, int(digits[2:4]) or 99)
        if _is_month(digits[2:4]) and luhn(digits)
        else False
    )


def _is_month(text: str) -> bool:
    return 1 <= int(text) <= 12


def organisation_se(digits: str) -> bool:
    """Check a Swedish organisation's number: its third digit is 2 or more."""
    return int(digits[2]) >= 2 and luhn(digits)


def tax_id_de(number: str) -> bool:
    """Check a German Steuer-ID: no leading zero, one digit among the first ten twice or thrice, MOD 11,10."""
    counts = sorted((number[:10].count(digit) for digit in set(number[:10])), reverse=True)
    return (
        number[0] != "0" and counts[0] in {2, 3} and (len(counts) < 2 or counts[1] == 1) and mod_11_10(number)
    )


def pension_de(text: str) -> bool:
    """Check a German pension insurance number; the day may be raised by 50."""
    digits = f"{text[:8]}{ord(text[8]) - 64:02d}{text[9:]}"
    day = int(text[2:4])
    return (
        is_day(day - 50 if day > 50 else day, int(text[4:6]) or 99)
        and _is_month(text[4:6])
        and crossed(digits[:12], PENSION_WEIGHTS) % 10 == int(digits[12])
    )


def health_de(text: str) -> bool:
    """Check a German health insurance number."""
    digits = f"{ord(text[0]) - 64:02d}{text[1:]}"
    return crossed(digits[:10], (1, 2) * 5) % 10 == int(digits[10])


def doctor_de(number: str) -> bool:
    """Check a German physician's number (LANR)."""
    return (10 - weighted(number[:6], (4, 9, 4, 9, 4, 9)) % 10) % 10 == int(number[6]) and number[7:] != "00"


def vat_de(text: str) -> bool:
    """Check a German VAT number."""
    return mod_11_10(text[2:])


def driver_uk(text: str) -> bool:
    """Check the date of birth in a British driving licence number."""
    month, day = int(text[6:8]), int(text[8:10])
    return is_day(day, month - 50 if month > 50 else month) if 1 <= month % 50 <= 12 and day else False


def turkish(number: str) -> bool:
    """Check the last two digits of a Turkish identity number."""
    odd, even = sum(map(int, number[0:9:2])), sum(map(int, number[1:8:2]))
    return (odd * 7 - even) % 10 == int(number[9]) and sum(map(int, number[:10])) % 10 == int(number[10])


RECOGNISERS = (
    Recogniser("UK_NHS", r"\b\d{3}[- ]?\d{3}[- ]?\d{4}\b", 0.2, valid=nhs, proven=0.5, context="nhs|national health|health service|patient"),
    Recogniser("UK_NINO", r"(?i)\b[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", 0.5,
               valid=lambda t: t[:2] not in {"BG", "GB", "NK", "KN", "NT", "TN", "ZZ"}, proven=0.6, context="nino|ni number|national insurance|insurance"),
    Recogniser("UK_PASSPORT", r"(?i)\b[A-Z]{2}\d{7}\b", 0.15, context=PASSPORT),
    Recogniser("UK_DRIVING_LICENCE", r"(?i)\b[A-Z]{1,5}9{0,4}\d[0156]\d[0-3]\d{2}[A-Z9]{2}[A-Z0-9][A-Z]{2}\b", 0.3,
               valid=lambda t: len(t) == 16 and driver_uk(t), proven=0.8, context="driving|licen[cs]e|driver"),
    Recogniser("UK_POSTCODE", r"(?i)\b(?:GIR ?0AA|(?:[A-PR-UWYZ]\d[\dABCDEFGHJKPSTUW]?|[A-PR-UWYZ][A-HK-Y]\d[\dABEHMNPRVWXY]?) ?\d[ABD-HJLNP-UW-Z]{2})\b",
               0.3, context="post ?code|address|london|street|road|uk|england|scotland|wales"),
    Recogniser("UK_VEHICLE_REGISTRATION", r"(?i)\b(?:[A-HJ-PR-Y]{2}(?:0[2-9]|[12]\d|5[1-9]|[67]\d) ?[A-HJ-PR-Z]{3}|[A-HJ-NPR-TV-Y]\d{1,3} ?[A-HJ-PR-Y]{3}|[A-HJ-PR-Y]{3} ?\d{1,3}[A-HJ-NPR-TV-Y])\b",
               0.2, context=PLATE),
    Recogniser("ES_NIF", r"(?i)\b\d{7,8}-?[A-HJ-NP-TV-Z]\b", 0.3, valid=nif, proven=0.7, context="dni|nif|identificaci[oó]n|identidad"),
    Recogniser("ES_NIE", r"(?i)\b[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]\b", 0.3, valid=nie, proven=0.8, context="nie|extranjero"),
    Recogniser("ES_PASSPORT", r"(?i)\b[A-Z]{3}\d{6}\b", 0.15, context=PASSPORT),
    Recogniser("IT_FISCAL_CODE", r"(?i)\b[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]\b", 0.3,
               valid=fiscal_code, proven=SURE, context="codice fiscale|fiscal code|fiscale"),
    Recogniser("IT_VAT_CODE", r"\b(?:IT ?)?(\d{11})\b", 0.2, valid=vat_it, proven=0.4, context="iva|partita iva|vat|p\\.iva"),
    Recogniser("IT_DRIVER_LICENSE", r"(?i)\b(?:[A-Z]{2}\d{7}[A-Z]|U1[BCDEFGHLMNPRSTUWYXZ0-9]{7}[A-Z])\b", 0.25, context="patente|driver|licen[cs]e|guida"),
    Recogniser("IT_PASSPORT", r"(?i)\b[A-Z]{2}\d{7}\b", 0.1, context="passaporto|italian passport"),
    Recogniser("IT_IDENTITY_CARD", r"(?i)\b(?:[A-Z]{2}\d{5}[A-Z]{2}|[A-Z]{2} ?\d{7}|\d{7}[A-Z]{2})\b", 0.1, context="carta|identit[aà]|cie|elettronica|identity card"),
    Recogniser("PL_PESEL", r"\b\d{11}\b", 0.2, valid=pesel, proven=0.5, context="pesel"),
    Recogniser("FI_PERSONAL_IDENTITY_CODE", r"\b(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{2}[+\-ABCDEFYXWVU]\d{3}[0-9A-FHJ-NPR-Y]\b", 0.3,
               valid=hetu, proven=0.8, context="henkil[oö]tunnus|hetu|personbeteckning"),
    Recogniser("SE_PERSONNUMMER", r"\b(?:(?:18|19|20)\d{2}|\d{2})(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01]|[6-8]\d|9[01])[-+]?\d{4}\b", 0.3,
               valid=personnummer, proven=0.5, context="personnummer|personal number|samordningsnummer"),
    Recogniser("SE_ORGANISATIONSNUMMER", r"\b\d{6}-?\d{4}\b", 0.2, valid=organisation_se, proven=0.4, context="org(?:anisations)?\\.?(?:nummer|nr)|f[oö]retag|organisation"),
    Recogniser("DE_PASSPORT", r"(?i)\b[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{7}\d\b", 0.3, valid=icao, proven=0.4, context=PASSPORT),
    Recogniser("DE_ID_CARD", r"(?i)\b[LMNPRTVWXY][CFGHJKLMNPRTVWXYZ0-9]{7}\d\b", 0.2, valid=icao, proven=0.4, context="personalausweis|ausweis|id card|identity card"),
    Recogniser("DE_TAX_ID", r"\b[1-9]\d(?: ?\d{3}){3}\b", 0.2, valid=tax_id_de, proven=0.5, context=TAX),
    Recogniser("DE_TAX_NUMBER", r"\b\d{2,3}/\d{3}/\d{4,5}\b", 0.3, context=TAX),
    Recogniser("DE_VAT_ID", r"(?i)\bDE ?\d{9}\b", 0.2, valid=vat_de, proven=0.7, context="ust|umsatzsteuer|vat"),
    Recogniser("DE_SOCIAL_SECURITY", r"(?i)\b\d{2} ?\d{6} ?[A-Z] ?\d{3}\b", 0.2, valid=pension_de, proven=0.8, context="rentenversicherung|sozialversicherung|sv-?nummer|rvnr"),
    Recogniser("DE_HEALTH_INSURANCE", r"(?i)\b[A-Z]\d{9}\b", 0.2, valid=health_de, proven=0.5, context="krankenkasse|krankenversicherung|kvnr|versichertennummer|health insurance"),
    Recogniser("DE_LANR", r"\b\d{9}\b", 0.1, valid=doctor_de, proven=0.15, context="lanr|arztnummer|arzt"),
    Recogniser("DE_BSNR", r"\b(?:0[1-36]|17|20|3[5-8]|46|5[12]|7[1-38]|83|88|93|98)\d{7}\b", 0.1, context="bsnr|betriebsst[aä]tte\\w*"),
    Recogniser("DE_FUEHRERSCHEIN", r"(?i)\b[A-Z]\d{2}[A-Z0-9]{6}\d[A-Z0-9]\b", 0.2, context="f[uü]hrerschein|fahrerlaubnis|driving licen[cs]e"),
    Recogniser("DE_HANDELSREGISTER", r"(?i)\bHR[AB] ?\d{1,6}(?: ?[A-Z])?\b", 0.5, context="handelsregister|amtsgericht|registergericht"),
    Recogniser("DE_KFZ", r"\b[A-ZÄÖÜ]{1,3}[- ][A-Z]{1,2}[- ]?[1-9]\d{0,3}[EH]?\b", 0.2, context=PLATE),
    Recogniser("DE_PLZ", r"\b(?:0[1-9]|[1-9]\d)\d{3}\b", 0.05, context="plz|postleitzahl"),
    Recogniser("TR_NATIONAL_ID", r"\b[1-9]\d{10}\b", 0.2, valid=turkish, proven=0.6, context="kimlik|t\\.?c\\.?|turkish id|national id"),
    Recogniser("TR_PHONE_NUMBER", r"(?:\+90|\b0090|\b0)?[\s.-]?\(?[2-5]\d{2}\)?[\s.-]?\d{3}[\s.-]?\d{2}[\s.-]?\d{2}\b", 0.2, context="cep|tel|telefon|phone|gsm|numara"),
    Recogniser("TR_LICENSE_PLATE", r"(?i)\b(?:0[1-9]|[1-7]\d|8[01]) ?[A-Z]{1,3} ?\d{2,5}\b", 0.2, context=PLATE),
)  # fmt: skip
