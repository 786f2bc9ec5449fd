"""What is written: short phrases of common English words."""

from __future__ import annotations

import numpy as np

_SHORT_WORDS = (
    "a an and are as at be but by can for from had has have he her him his if in into is it its me "
    "my no not of off on one or our out over she so than that the their them then there they this "
    "to up us was we were what when where which who will with you your"
)
_LONG_WORDS = (
    "about above across after again air all almost along also always animal answer any apple "
    "around ask autumn away baby back bag ball bank basket beach bear beautiful because bed "
    "before began begin behind best better between big bird black blue boat body book both "
    "bottle box boy branch bread break bridge bright bring brother brown build bus busy butter "
    "buy cabin cake call came camp candle car care carry castle cat catch cause change chair "
    "child choose church circle city class clean clear climb clock close cloud coat coffee cold "
    "colour come common cook cool copy corner could count country cousin cover cow cross crowd "
    "cup cut dance dark daughter day deep desk dinner doctor dog door down draw dream dress "
    "drink drive drop dry dust each early earth east easy eat edge egg eight empty end engine "
    "enjoy enough equal even evening ever every example exit explain eye face fact fall family "
    "far farm fast father feel few field fifty fill find finger finish fire first fish five fix "
    "floor flower fly follow food foot forest forget found four fox fresh friend front fruit "
    "full funny game garden gate gave gentle get girl give glad glass go gold good grass great "
    "green ground group grow guess guitar half hand happy hard hat head hear heart heavy help "
    "here high hill hold holiday home hope horse hot hour house how hundred hurry ice idea "
    "inside island jacket jam job join journey judge juice jump just keep key kind king kitchen "
    "knee knife know lake lamp land language large last late laugh law lazy leaf learn leave "
    "left lemon letter life light like line lion list listen little live long look lost loud "
    "love low lunch machine make man many map market may mean meet middle might milk mind minute "
    "mirror mix money month moon more morning most mother mountain mouth move much music must "
    "name narrow near neck need never new next nice night nine noise north nothing number ocean "
    "often old only open orange other page paint pair paper park part pass path pay peace pencil "
    "people perhaps piano picture piece place plan plant play please pocket point possible power "
    "pretty price pull push put quarter queen question quick quiet quite rabbit rain reach read "
    "ready real reason red rest rice rich right ring river road rock roof room rose round row "
    "run sad sail salt same sand save saw say school sea second see seem sell send seven shadow "
    "shape sharp ship shoe shop short should show side silver simple sing sister sit six size "
    "sky sleep slow small smile snow soap soft some son song soon sound south speak spend spoon "
    "sport spring square stand star start station stay step still stone stop story straight "
    "street strong student sugar summer sun sure swim table take talk tall tea teach tell ten "
    "test thank thing think third thought thousand three through time tired today together "
    "tomorrow took touch town train travel tree true try turn twelve two uncle under until use "
    "usual valley very village visit voice wait walk wall want warm wash watch water wave way "
    "wear weather week well west wet wheel while white why wide wild win wind window wine winter "
    "wish without woman wonder wood word work world would write wrong yard year yellow yes "
    "yesterday young zebra zero"
)
_SHORT_VOCABULARY, _LONG_VOCABULARY = _SHORT_WORDS.split(), _LONG_WORDS.split()


def compose_phrase(rng: np.random.Generator, min_words: int, max_words: int) -> str:
    """Draws `min_words` to `max_words` words, at times with a capital, a comma or a full stop."""
    words = []
    for _ in range(rng.integers(min_words, max_words + 1)):
        vocabulary = _SHORT_VOCABULARY if rng.random() < 0.3 else _LONG_VOCABULARY
        words.append(vocabulary[rng.integers(len(vocabulary))])
    if rng.random() < 0.35:
        words[0] = words[0].capitalize()
    for i in range(len(words) - 1):
        if rng.random() < 0.1:
            words[i] += ","
    return " ".join(words) + ("." if rng.random() < 0.25 else "")
