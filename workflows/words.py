"""What words a sentence is made of, as far as two texts can be compared by them without a model.

A sentence becomes `Words`: its content as normalised terms (function words left out, endings stripped, scripts without
spaces as character pairs), and among these the anchors: numbers, names, acronyms and code tokens, which survive
paraphrase and translation. The methods are old and cheap on purpose: suffix stripping in the manner of Porter's
stemmer (1980) but coarser and for several languages, cut at seven letters (truncation does as well as stemming for
matching: McNamee and Mayfield, "Character n-gram tokenization for European language text retrieval", 2004).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from workflows.text import UNSPACED, sentences

_FUNCTION_WORDS = {
    "en": """a about above after again all also am an and any are as at be because been before being below between both but by
        can could did do does doing down during each else for from further get got had has have having he her here hers him his how
        i if in into is it its itself just let like made make makes may me might more most much must my need needs no nor not
        now of off on once only onto or other our out over own per s same shall she should so some such t than that the
        their them then there these they this those through thus to too under until up upon us very via was we well were
        what when where whether which while who whom whose why will with within without would yes you your""",
    "de": """aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bis bitte da damit dann
        das dass dazu dem den denn der des die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer
        eines er es etwas für gegen haben hat hier ich ihr ihre ihren im in ist ja jede jeden jeder jedes jedoch kann
        kein keine keinen man mehr mit muss müssen nach nein nicht noch nur ob oder ohne sehr sein seine sich sie sind so
        sollte sollten sowie über um und uns unter vom von vor war was weil welche wenn werden wie wir wird wo wurde zu zum zur""",
    "fr": """alors au aucun aussi autre aux avec avoir bien car ce cela ces cet cette chaque comme dans de depuis des
        doit doivent donc du elle elles en encore entre est et être eux faire faut fait il ils je la le les leur leurs lors
        lui mais même moins ne ni non nos notre nous on ont ou où oui par pas peut peuvent plus pour puis qu que quel quelle qui sa sans se
        selon ses si son sont sous sur tous tout toute toutes très un une vers vos votre vous y""",
    "es": """al algo antes aquí como con contra cual cuando de debe deben del desde donde dos durante e el ella ellas
        ellos en entre era es esa ese eso esta está este esto estos fue ha han hasta hay la las le les lo los más me mi mientras mismo muy
        nada ni no nos nosotros o otra otro para pero poco por porque puede pueden que qué se sea según ser si sí sin sobre
        son su sus también tan tiene todo todos tras tu un una uno unos usted y ya""",
    "it": """agli ai al alla alle anche che chi ci come con cosa cui da dal dalla dei del della delle dello deve di dopo e è ed
        essere fra gli ha hanno i il in io la le lei lo loro lui ma mi nei nel nella noi non o ogni per perché più
        può quale quando quello questa questo questi se sei senza si sia sono su sua sul sulla suo te tra tutti tutto
        un una uno vi""",
    "pt": """ao aos as até com como da das de depois do dos e é ela elas ele eles em entre era essa esse esta está este eu foi
        há isso isto já lhe mais mas mesmo muito na não nas nem no nos nós o os ou para pela pelo per pode podem por porque qual
        quando que quem se sem ser seu seus só sua suas também tem um uma umas você""",
    "nl": """aan al alle als bij dan dat de deze die dit door dus een en er geen gij had heb heeft het hij hoe hun ik in
        is ja je kan kunnen maar meer met mijn moet moeten naar nee niet nog nu of om omdat ons onze ook op over te tegen tot u uit
        uw van veel voor waar was wat we wel wij wordt worden zal ze zich zij zijn zo zonder""",
}
_LATIN_ABBREVIATIONS = {"e.g", "i.e"}
_VOCABULARY = {language: frozenset(listed.split()) for language, listed in _FUNCTION_WORDS.items()}
_ALL_FUNCTION_WORDS = frozenset(_LATIN_ABBREVIATIONS).union(*_VOCABULARY.values())
_SCRIPTS = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "CYRILLIC": "cyrillic", "ARABIC": "arabic",
    "HEBREW": "hebrew", "GREEK": "greek", "THAI": "thai", "DEVANAGARI": "devanagari",
}  # fmt: skip
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|neither|nor|cannot|without|avoid(?:s|ed|ing)?|don'?t|doesn'?t|didn'?t|isn'?t|aren'?t|wasn'?t|"
    r"weren'?t|won'?t|can'?t|couldn'?t|shouldn'?t|wouldn'?t|mustn'?t|unsafe|impossible|incorrect|invalid|false|"
    r"nicht|kein\w{0,2}|nie(?:mals)?|ohne|ne|pas|jamais|sans|nunca|sin|não|sem|nem|niet|geen|non|mai|senza|не|нет|без)\b"
    r"|[不没無无未非勿别]|ない|ません|않|아니|없",
    re.IGNORECASE,
)

_TOKEN = re.compile(
    r"(?P<address>https?://[^\s)>\]]+)"
    r"|(?P<number>(?<![\w.])(?:\d{4}-\d\d-\d\d|[-+]?\d+(?:[.,:]\d+)*)(?!\w))"
    rf"|(?P<unspaced>[{UNSPACED}]+)"
    rf"|(?P<word>[^\W_{UNSPACED}]+(?:(?:\.(?=\w)|_+|')[^\W_{UNSPACED}]+)*)"
)
_HUMPS = re.compile(r"(?<=[a-z\d])(?=[A-Z])|[._]+")
_IDENTIFIER = re.compile(r"\d|_|[a-z][A-Z]|^[A-Z]{2,}s?$|\w\.\w")
_ENDINGS = """izations isations ization isation abilities ibilities ability ibility ations ation ating ated ates ate
    ements ement ments ment nesses ness ities ity ungen ung keit heit lich isch ciones ción amente mente
    ings ing edly ably ibly able ible ances ance ences ence ies ied ive ives ers er ors or
    ions ion als al ous ful ly ed es en em e s n"""
_ENDINGS_IN_ORDER = tuple(_ENDINGS.split())
_NUMBERS_IN_ORDER = "two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_NUMBERS_IN_ORDER.split(), start=2)}
_PLAIN_MARKS = str.maketrans({"\u2019": "'", "\u2018": "'", "\u2212": "-", "\u2011": "-"})
_SHORTEST_STEM = 4
_LONGEST_STEM = 7


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence, ready to be compared.

    Attributes:
        text: the sentence.
        terms: its content in order, normalised, with repetitions.
        anchors: those terms that are numbers, names, acronyms or code tokens.
        numbers: those anchors that are numbers.
        spoken: every word in order, function words too, only case-folded: for telling copies from paraphrases.
        negated: how many words in it negate.
    """

    text: str
    terms: tuple[str, ...]
    anchors: frozenset[str]
    numbers: frozenset[str]
    spoken: tuple[str, ...]
    negated: int


def analysed(text: str, spoken: str | None = None) -> tuple[Words, ...]:
    """Every sentence of a text that has any content; `spoken` is its language, where that is known."""
    names_count = (
        language(text) if spoken is None else spoken
    ) != "de"  # German writes every noun with a capital
    every = (words(sentence, names_count=names_count) for sentence in sentences(text))
    return tuple(one for one in every if one.terms)


def words(sentence: str, *, names_count: bool = True) -> Words:
    """Take a sentence apart. `names_count`: capitals inside the sentence mean names."""
    folded = unicodedata.normalize("NFKC", sentence).translate(_PLAIN_MARKS)
    terms: list[str] = []
    spoken: list[str] = []
    anchors: set[str] = set()
    numbers: set[str] = set()
    names_count = names_count and not _in_title_case(folded)
    for place, token in enumerate(_TOKEN.finditer(folded)):
        kind, written = token.lastgroup, token[0]
        if kind == "number":
            own = [number(written)]
            anchors.update(own)
            numbers.update(own)
        elif kind == "unspaced":
            own = pairs(written)
        elif kind == "address" or (
            _IDENTIFIER.search(written) and written.casefold() not in _LATIN_ABBREVIATIONS
        ):
            own = _identifier(written)
            anchors.add(own[0])
        else:
            own = _word(written)
            if names_count and place > 0 and written[0].isupper():
                anchors.update(own)
            numbers.update(term for term in own if term.isdigit())
        terms += own
        spoken += own if kind == "unspaced" else [written.casefold()]
    negated = len(_NEGATION.findall(folded))
    return Words(sentence, tuple(terms), frozenset(anchors), frozenset(numbers), tuple(spoken), negated)


def language(text: str) -> str:
    """Guess a text's language: an ISO 639-1 code, a script's name where that is all we tell, or empty.

    By script, and for Latin script by counting function words; short texts stay unknown.
    """
    beginning = text[:4000]
    if not beginning.isascii() and (script := _script(beginning)):
        return script
    spoken = Counter(re.findall(r"[^\W\d_]+", beginning.casefold()))
    hits = {name: sum(spoken[word] for word in known & spoken.keys()) for name, known in _VOCABULARY.items()}
    best, second = sorted(hits.values(), reverse=True)[:2]
    if best < 3 or best * 10 < second * 13:  # noqa: PLR2004  # a third more than the next language, or unknown
        return ""
    return max(hits, key=hits.__getitem__)


def _script(text: str) -> str:
    """The script that a good part of a text is written in, when it is not Latin's."""
    letters = [character for character in text if character.isalpha()]
    scripts: dict[str, int] = {}
    for character in letters:
        if character > "\u02ff":
            script = unicodedata.name(character, "").split(" ")[0]
            scripts[_SCRIPTS.get(script, "")] = scripts.get(_SCRIPTS.get(script, ""), 0) + 1
    scripts.pop("", None)
    if not scripts or sum(scripts.values()) <= len(letters) * 0.3:
        return ""
    return "ja" if "ja" in scripts else max(scripts, key=scripts.__getitem__)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Strip up to two endings, undouble, and cut at seven letters; four letters stay, or three before a plural's s."""
    shorter = _without_ending(_without_ending(word))
    if shorter[-1:] == shorter[-2:-1] and len(shorter) >= _SHORTEST_STEM and shorter[-1] not in "aeiouls":
        shorter = shorter[:-1]
    if len(shorter) > _SHORTEST_STEM and shorter[-1] in "eiy":
        shorter = shorter[:-1]
    return shorter[:_LONGEST_STEM]


def _without_ending(word: str) -> str:
    for ending in _ENDINGS_IN_ORDER:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word[:-1] if re.search(r"\w\w[^iusw]s$", word) else word


def number(written: str) -> str:
    """A number's value as far as its writing tells: ``1,000`` and ``1.000`` are 1000, ``3,5`` is 3.5, ``4.0`` is 4."""
    plain = written.lstrip("+")
    if re.fullmatch(r"-?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*", plain):
        plain = re.sub(r"[.,]", "", plain)
    plain = plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain.replace(",", "")
    return plain.rstrip("0").rstrip(".") if plain.count(".") == 1 else plain


def pairs(run: str) -> list[str]:
    """The character pairs of a run of an unspaced script; a single character alone."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _word(written: str) -> list[str]:
    """A plain word's term; none for a function word."""
    lower = written.casefold().removesuffix("'s")
    if lower in _ALL_FUNCTION_WORDS or (len(lower) == 1 and lower.isascii()) or "n't" in lower:
        return []
    if lower in _NUMBER_WORDS:
        return [_NUMBER_WORDS[lower]]
    return [stem(lower.replace("'", ""))]


def _identifier(written: str) -> list[str]:
    """A code token or acronym: itself, and the words in it."""
    whole = written.casefold().strip(".")
    inner = [
        term for part in _HUMPS.split(written) for term in _word(part) if not any(map(str.isdigit, part))
    ]
    return [whole, *(term for term in inner if term != whole)]


def _in_title_case(sentence: str) -> bool:
    """Headings and shouting: capitals that say nothing about names."""
    spelled: list[str] = re.findall(r"[^\W\d_]{4,}", sentence)
    return sum(word[0].isupper() for word in spelled) * 2 > len(spelled)
