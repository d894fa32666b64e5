"""Names of persons and organisations that do not exist, for composed and altered texts."""

from __future__ import annotations

import random

# One name a line would be a hundred lines.
FIRST_NAMES = (  # noqa: SIM905
    "Alma Anke Arne Berit Bernd Carla Clemens Dagmar Detlef Dorothee Edda Elif Emre Ernst Fatma "
    "Frauke Gero Gesine Gundula Hanno Heike Henning Ilka Imke Ingo Iris Jale Jens Jolanta Jonas "
    "Kerstin Knut Lasse Lena Lutz Maike Malte Marek Mirja Nadja Nils Olga Ortrud Pavel Petra Ralf "
    "Rieke Ruben Sabine Sönke Stine Svenja Tarek Thilo Ulrike Urs Veit Wiebke Yasemin Zoran"
).split()
SURNAME_STARTS = (  # noqa: SIM905
    "Adler Behr Brack Dorn Ecker Falk Fenn Gerst Hagen Harm Ihl Jung Kahl Kest Lank Lind Mahl "
    "Mert Nord Oster Pahl Quast Rehm Roth Sall Schön Stein Tann Ulm Vier Wall Wend Zell"
).split()
SURNAME_ENDS = (
    "au",
    "berg",
    "bach",
    "er",
    "feld",
    "hoff",
    "ing",
    "kamp",
    "loh",
    "mann",
    "ow",
    "sen",
)
GROUPS = (
    "die Bürgerliste",
    "die Freie Union",
    "die Neue Mitte",
    "der Landbund",
    "das Forum Zukunft",
    "die Soziale Allianz",
    "die Fortschrittspartei",
    "der Verband Aufbruch",
    "die Initiative Gemeinwohl",
    "die Heimatunion",
    "das Bündnis Vernunft",
    "die Liste Umwelt",
    "der Wirtschaftsrat Nord",
    "die Gewerkschaft Dienste",
    "der Sozialverband Mitte",
    "die Verbraucherliga",
)
ROLES = (
    "der Abgeordnete",
    "die Abgeordnete",
    "Fraktionschef",
    "Sprecherin",
    "Landeschef",
    "Ministerin",
)


def invent_person(draw: random.Random) -> str:
    """A first name and a surname."""
    surname = draw.choice(SURNAME_STARTS) + draw.choice(SURNAME_ENDS)
    return f"{draw.choice(FIRST_NAMES)} {surname}"
