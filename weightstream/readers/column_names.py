"""Column names: the roles that a name fits, and the unit that it states."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from weightstream.parsing.units import canonical_unit

PLAIN, QUALIFIED = 2, 1
"""How well a name fits a role: by words of the role alone, or beside unknown words."""

_UNBRACKETED = re.compile(r"^[(\[{]|[)\]}]$")
_PATTERN = re.compile(r"[dmyhjatins:./ -]{2,20}", re.IGNORECASE)
"""Such as yyyy-mm-dd or TT.MM.JJJJ hh:mm."""
_BRACKETS = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-zà-ÿ0-9])(?=[A-Z])")


def word_set(text: str) -> frozenset[str]:
    """Return words as names have them: folding turns the last letter of βάρος into σ."""
    return frozenset(text.casefold().split())


_WEIGHT = word_set(
    "weight weights wt bodyweight weighing gewicht körpergewicht koerpergewicht poids peso vikt"
    " kroppsvikt vekt kroppsvekt vægt kropsvægt paino lichaamsgewicht waga masa hmotnost váha súly"
    " testsúly tömeg testtömeg greutate težina вес масса 体重 體重 체중 βάρος ağırlık kilo тегло"
    " вага teža svoris svars þyngd berat الوزن משקל"
)
_MASS = word_set("mass massa masse")
_OF_A_BODY = word_set("body corporea corporal corporelle")
"""Masses are weights with one of these words beside them."""
_WEIGHT_BESIDE = word_set(
    "body mass measured measurement measure measures value reading readings my current actual"
    " badan result vital vitals human person patient daily admission admit present in of at the"
    " and corporel corporal corporeo ciała тела total amount number num numeric scale o e bed"
    " chair standing sitting sling stated self reported clothed unclothed clothes shoes with"
    " without nude"
)
_GLUED = ("kgs", "kg", "lbs", "lb", "st", "g")
"""Units that are written behind a word without a space, as in weightkg."""
_PARTS = word_set(
    "lean fat muscle bone bones water hydration visceral protein skeletal fett fettmasse muskel"
    " muskelmasse knochen wasser fettfreie magermasse graisse grasse hydrique musculaire osseuse"
    " maigre eau grasa graso magro muscular ósea agua grassa magra muscolare ossea óssea água"
    " mięśni tłuszczu kostna kości tuková svalová kostní мышечная жировая костная"
)
"""Of a body."""
_NO_WEIGHT = _PARTS | word_set(
    "goal target targeted ziel zielgewicht objectif objetivo obiettivo doel mål ideal optimal"
    " cible idéal meta cel docelowa cílová целевой hedef 목표 wunsch wunschgewicht startgewicht"
    " perdido perdu inicial initial seco sec medio moyen gemiddeld średnia średni средний ewma"
    " trend index bmi ibw dry birth max min maximum minimum avg average mean median moving"
    " smoothed smooth rolling change delta diff difference loss lost gain gained percent pct"
    " percentage percentile zscore z score previous prev initial start starting baseline last"
    " first predicted expected estimated adjusted forecast allowed class category group status"
    " unit units uom note notes comment source device id date time timestamp änderung height rate"
    " ratio free range error std complete sd quality flag rank age feeding fetal food drug dose"
    " dosing bag"
)
_OF_OTHER_THINGS = word_set(
    "reps repetitions rir rpe 1rm barbell sku ingredient ingredients serving servings shipping"
)
"""Words of columns that stand only in tables where something else is weighed."""
_KIND = word_set("type kind category class label")
_KIND_BESIDE = word_set("weight measurement measure entry record reading data value of")
_KINDS_OF_NO_WEIGHING = word_set(
    "goal target ideal trend average avg mean predicted expected forecast birth lean fat muscle"
    " bone water ziel objectif objetivo obiettivo"
)
_WAYS = word_set(
    "manual manually auto automatic automatically scale device app api user typed entered self"
    " reported measured actual imported synced final preliminary amended corrected"
)
"""Words on how a value came about; they do not tell what it is of."""
_VALUE = word_set(
    "value val valuenum result measurement amount quantity reading wert valeur valor valore"
)
_VALUE_BESIDE = word_set("as num number numeric the observation obs measured standard vital")
_MEASURE = word_set(
    "metric measure parameter param variable test analyte loinc itemid vital measurement"
    " observation concept result item code type name label category description kind key field"
    " attribute display component title observable"
)
_STRONG_MEASURE = word_set(
    "metric measure parameter param variable test analyte loinc itemid vital concept code"
)
_MEASURE_BESIDE = word_set("id data text short long the sign signs source body snomed value health")
_TIME = word_set(
    "time date datetime timestamp day datum zeit uhrzeit zeitpunkt zeitstempel messzeit messdatum"
    " fecha hora data ora heure jour dato tid tidspunkt klokkeslett klokkeslæt päivä päivämäärä"
    " pvm aika kellonaika dag tijd tijdstip datetijd дата время день 日期 时间 時間 日付 時刻 日時"
    " 测量时间 測定日 測定日時 날짜 시간 epoch unix ts charttime when giorno día dia dátum idő"
    " clock start startdate starttime datetimeutc effective recorded logged measured taken weighed"
    " observed measurementdate measurementtime measurementdatetime effectivedatetime dt moment čas"
    " chartdate visitdate visdt obsdate daystamp tarih saat godzina hodina zeitangabe"
    " messzeitpunkt gemessen wiegedatum päiväys datums ημερομηνία vitaldtm"
)
_CLOCK = word_set(
    "time clock hour hours minute uhrzeit stunde hora ora heure tid klokkeslett klokkeslæt"
    " kellonaika tijd время 时间 時間 時刻 시간 godzina hodina čas saat idő aika óra"
)
_TIME_BESIDE = word_set(
    "of the at on in utc gmt local ms millis milliseconds s sec seconds us ns nanos iso am"
    " effective measurement measure reading weighing weight body value log entry record hour visit"
    " visited exam examination assessment collection collected encounter session check weighin"
    " clinic"
)
_NO_TIME = word_set(
    "birth born dob created creation create updated update modified modification modify changed"
    " import imported export exported sync synced synchronized upload uploaded end ended finish"
    " stop store stored storetime entered inserted insert load loaded received processed death"
    " goal target due next enrollment registration zone timezone offset unit source type id age"
    " sleep wake bed duration format count interval name device event expiry expires deleted"
)
_CHANGED = word_set(
    "updated update modified modification changed storetime lastmodified lastupdated"
)
_USER = (
    "user id", "userid", "user", "patient id", "patientid", "person id", "personid", "patient",
    "person", "subject id", "subjectid", "subject", "subjid", "usubjid", "participant id",
    "participantid", "participant", "member id", "memberid", "member", "client id", "clientid",
    "client", "customer id", "mrn", "pid", "study id", "studyid", "pat id", "patid", "case id",
    "caseid", "case number", "medical record number", "nhs number", "pat nr", "pt id", "login",
    "child id", "infant id", "employee id",
    "individual id", "individual", "pseudonym", "proband", "profile", "profile id",
    "username", "user name", "patient number", "person number", "household member", "eid",
    "email", "e mail", "email address", "e mail address", "e mail adresse", "initials",
    "full name", "profile name", "nickname", "name",
)  # fmt: skip
NAMES = (
    "name", "first name", "last name", "given name", "surname", "firstname", "lastname",
    "vorname", "nachname", "nom", "prénom", "nombre", "nome", "naam", "namn", "navn", "nimi",
)  # fmt: skip
"""Of a person, as well as of what is measured, or of a scale."""
_PERSON = word_set(
    "user users userid patient patients patientid person persons personid subject subjid"
    " participant member members client customer family household owner athlete resident profile"
    " benutzer nutzer anwender kunde patientin patienten teilnehmer proband profil utilisateur"
    " patiente personne usuario usuária usuário paciente persona pessoa utente paziente gebruiker"
    " patiënt persoon användare bruker bruger käyttäjä henkilö potilas użytkownik pacjent osoba"
    " pacjenta patientennummer probandennummer teilnehmernummer patiëntnummer patientnummer"
    " deelnemer deelnemernummer identifiant ptid ptno subjno 用户 姓名 患者 사용자"
)
_PERSON_BESIDE = word_set(
    "id ids name names number nr no num code key uuid guid identifier nickname of the study hash"
    " reference sid código numer n"
)
_SOURCE = (
    "source type", "source", "source name", "sourcename", "data source", "device", "device name",
    "device type", "source app", "app", "origin", "scale", "device model", "instrument",
    "weight source", "measurement source", "vital source", "method", "measurement method",
)  # fmt: skip
_UNIT = word_set(
    "unit units uom unitofmeasure einheit unité unite unidad unità enhet eenheid yksikkö valueuom"
    " numunit ucum 单位 単位 단위 jednostka"
)
_UNIT_BESIDE = word_set(
    "of measure measurement weight body mass value quantity result source concept id code name"
    " original text observation obs vital test std standard cd"
)
_BIRTH = ("birth date", "birthdate", "date of birth", "dob", "birthday", "geburtsdatum")
_SEX = ("sex", "gender")
_AGE_DAYS = ("agedays", "age days", "age in days", "ageday", "age day")
_AGE_YEARS = ("ageyears", "age years", "age in years", "ageyear", "age year")


_DELETED = word_set("deleted isdeleted voided void retracted removed")
_DELETED_BESIDE = word_set("is flag record row entry measurement was")
DELETED = word_set(
    "1 1.0 y yes t true deleted voided retracted removed entered-in-error cancelled canceled"
) | {"entered in error"}
"""The cells of such a column for a row that was retracted."""
_NOT_DELETED = word_set("0 0.0 n no f false")
_FLAGS = word_set("1 1.0 y yes t true")
_STATUS_BESIDE = word_set("status record row observation obs entry measurement result")
_OTHER_UNITS = word_set(
    "% cm m mm in ft inch inches kcal cal kj bpm mmhg kg/m2 kg/m² kg/m^2 count years yr l liters"
    " litres steps"
)


@dataclass(frozen=True)
class Name:
    """A column's name. text: as written. words: in lower case, without those of the unit.

    unit: canonical, of weight, where the name states one. other: it states a unit of something
    else, such as a percentage.
    """

    text: str
    words: frozenset[str]
    phrase: str
    unit: str | None = None
    other: bool = False

    def fit(self, known: frozenset[str], beside: frozenset[str], never: frozenset[str]) -> int:
        """PLAIN or QUALIFIED; 0 where no word of the role is there, or one that rules it out."""
        if not self.words & known or self.words & never:
            return 0
        return QUALIFIED if self.words - known - beside else PLAIN


@lru_cache(maxsize=4096)
def parse_name(text: str) -> Name:
    """Split a name into words; "Weight (kg)", "weight_kg" and "WeightKg" state their unit."""
    plain = text.strip().strip("\ufeff\"'").strip()
    rest = unicodedata.normalize("NFKC", plain)  # full-width letters and brackets
    stated: set[str] = set()
    other = "%" in rest
    for match in reversed(list(_BRACKETS.finditer(rest))):
        units = _units_of(match[1])
        if units or _states_something_else(match[1]):
            stated |= units
            other = other or not units
            rest = f"{rest[: match.start()]} {rest[match.end() :]}"
    words = [word for part in _WORD.findall(rest) for word in _CAMEL.split(part)]
    words = [part for word in words for part in _unglued(word.casefold())]
    stated |= {unit for word in words if (unit := _unit_of_word(word))}
    words = [word for word in words if not _unit_of_word(word)]
    # Of "Weight (kg/lbs)" the unit is open.
    unit = stated.pop() if len(stated) == 1 else None
    return Name(plain, frozenset(words), " ".join(words), unit, other)


def with_unit_below(name: Name, cell: str) -> Name:
    """The name, with the unit that a row below the header states for its column."""
    unit = canonical_unit(_UNBRACKETED.sub("", cell))
    other = bool(cell.strip()) and unit is None
    return replace(name, unit=unit or name.unit, other=name.other or other)


def units_below(names: list[str], cells: list[str | None]) -> tuple[str, ...]:
    """The cells of a row of units, such as one of kg below weight; empty if the row is none.

    It holds units and patterns of dates, and nothing else, and the table has no column of units.
    """
    texts = tuple((cell or "").strip() for cell in cells)
    plain = [_UNBRACKETED.sub("", text) for text in texts]
    if not any(map(canonical_unit, plain)) or any(unit_fit(parse_name(name)) for name in names):
        return ()
    known = all(
        not text or canonical_unit(text) or _states_something_else(text) or _PATTERN.fullmatch(text)
        for text in plain
    )
    return texts if known else ()


def _units_of(text: str) -> set[str]:
    """The units of weight that a bracket names: one, or several to choose from."""
    whole = canonical_unit(text)
    parts = [whole] if whole else map(_unit_of_word, _WORD.findall(text))
    return {unit for unit in parts if unit}


def _unit_of_word(word: str) -> str | None:
    return None if word.isdigit() else canonical_unit(word)


def _unglued(word: str) -> tuple[str, ...]:
    """Split weightkg and fatkg, whose unit follows without a space; other words stay."""
    for unit in _GLUED:
        stem = word.removesuffix(unit)
        if stem != word and stem in _WEIGHT | _PARTS | _MASS:
            return stem, unit
    return (word,)


def _states_something_else(bracket: str) -> bool:
    """Whether a bracket holds the unit of a height, a share, an energy and the like."""
    return bracket.strip().casefold() in _OTHER_UNITS


def weight_fit(name: Name) -> int:
    """How well a name fits a weight. A unit of weight alone is the name of one too."""
    if name.other:
        return 0
    if not name.words:
        return PLAIN if name.unit else 0
    known = _WEIGHT | _MASS if name.words & _OF_A_BODY else _WEIGHT
    return name.fit(known, _WEIGHT_BESIDE, _NO_WEIGHT)


def names_no_weighing(name: Name) -> bool:
    """Whether a name speaks of a mass that nobody weighed: a goal, a trend, a part of a body."""
    speaks_of_mass = name.unit is not None or bool(name.words & (_WEIGHT | _MASS))
    return speaks_of_mass and not weight_fit(name)


def names_part(name: Name) -> bool:
    """Whether a name speaks of the mass of a part of the body."""
    return names_no_weighing(name) and bool(name.words & _PARTS)


def is_of_other_things(name: Name) -> bool:
    """Whether a column stands only in tables where weights are not of bodies: of lifts, of food."""
    return bool(name.words & _OF_OTHER_THINGS)


def value_fit(name: Name) -> int:
    """How well a name fits the value of a long table, whose rows say what they measure."""
    fit = name.fit(_VALUE, _VALUE_BESIDE, frozenset())
    return 0 if name.other or fit == QUALIFIED else fit


def measure_fit(name: Name) -> int:
    """How well a name fits the column that says what a row measures."""
    if not name.words & _MEASURE or name.words - _MEASURE - _MEASURE_BESIDE:
        return 0
    return PLAIN if name.words & _STRONG_MEASURE else QUALIFIED


def is_kind(name: Name) -> bool:
    """Whether a column may tell, beside a column of weights, goals from weighings."""
    return bool(name.words & _KIND) and not name.words - _KIND - _KIND_BESIDE


def is_no_weighing(cell: str) -> bool:
    """Whether the cell of such a column says that the weight beside it was not weighed."""
    return bool(parse_name(cell).words & _KINDS_OF_NO_WEIGHING)


def tells_how(cell: str) -> bool:
    """Whether a cell tells only how a value came about."""
    return parse_name(cell).words <= _WAYS


def time_fit(name: Name) -> int:
    return name.fit(_TIME, _TIME_BESIDE, _NO_TIME)


def speaks_of_clock(name: Name) -> bool:
    """Whether a name may be that of a time of day, or of its hour."""
    return bool(name.words & _CLOCK) and not name.words & _NO_TIME


def rules_out_time(name: Name) -> bool:
    """Whether the column holds another time than that of the weighing."""
    return bool(name.words & _NO_TIME)


def is_time_of_change(name: Name) -> bool:
    return bool(name.words & _CHANGED)


def unit_fit(name: Name) -> int:
    fit = name.fit(_UNIT, _UNIT_BESIDE, frozenset())
    return 0 if fit == QUALIFIED else fit


def tells_deletion(name: Name, cells: Iterable[str]) -> bool:
    """Whether a column tells which rows their source took back: a flag, or a status."""
    texts = {cell.casefold() for cell in cells}
    flag = bool(name.words & _DELETED) and not name.words - _DELETED - _DELETED_BESIDE
    if flag:
        return texts <= DELETED | _NOT_DELETED
    # Of a status, 1 may mean that a row counts; words are clear, and may come in later rows only.
    is_status = "status" in name.words and not name.words - _STATUS_BESIDE
    return is_status and texts.isdisjoint(_FLAGS | _NOT_DELETED)


def is_timezone(name: Name) -> bool:
    """Whether a column tells the zone or the offset of the times beside it."""
    return (
        bool(name.words & {"timezone", "tz"})
        or {"time", "zone"} <= name.words
        or ("offset" in name.words)
    )


def is_in_utc(name: Name) -> bool:
    """Whether the name of a time says that it is in UTC."""
    return bool(name.words & {"utc", "gmt", "timestampgmt", "datetimeutc", "timeutc", "zulu"})


def rank_among(name: Name, phrases: tuple[str, ...]) -> int | None:
    """The place of the name among phrases, the most wanted first; None if it is none of them."""
    return phrases.index(name.phrase) if name.phrase in phrases else None


def is_user(name: Name) -> bool:
    """Whether a column names persons, each row's or all."""
    if name.unit is not None or name.other:
        return False
    by_words = name.words & _PERSON and not name.words - _PERSON - _PERSON_BESIDE
    return bool(by_words) or name.phrase in (*_USER, *NAMES)


PHRASES = {
    "user_id": _USER,
    "source": _SOURCE,
    "birth_date": _BIRTH,
    "sex": _SEX,
    "age_days": _AGE_DAYS,
    "age_years": _AGE_YEARS,
}
"""Roles that a column plays by its whole name, the most wanted first."""
