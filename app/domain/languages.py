"""Language codes of Sage X3 and ISO, as Mailchimp spells them.

Source: Mailchimp help, "View and edit contact languages" (the codes its audiences know). In X3 ENG is American and
BRI British English; Mailchimp has one English. Its `pt` is Brazilian and `es` Mexican, `pt_PT` and `es_ES` European.
"""

_KNOWN = """
en ar af be bg ca zh hr cs da nl et fa fi fr fr_CA de el he hi hu is id ga it ja km ko lv lt mt ms mk no pl pt pt_PT
ro ru sr sk sl es es_ES sw sv ta th tr uk vi
"""
MAILCHIMP_LANGUAGES = frozenset(_KNOWN.split())

_THREE_LETTERS = """
eng:en usa:en bri:en fra:fr fre:fr deu:de ger:de all:de spa:es_ES esp:es_ES ita:it por:pt_PT bre:pt bra:pt
nld:nl dut:nl ned:nl ara:ar arb:ar zho:zh chi:zh pol:pl rus:ru afr:af bel:be bul:bg cat:ca hrv:hr scr:hr ces:cs cze:cs
tch:cs dan:da est:et fas:fa per:fa fin:fi ell:el gre:el heb:he hin:hi hun:hu isl:is ice:is ind:id gle:ga jpn:ja khm:km
kor:ko lav:lv lit:lt mlt:mt msa:ms may:ms mkd:mk mac:mk nor:no nob:no nno:no ron:ro rum:ro rou:ro srp:sr scc:sr slk:sk
slo:sk slv:sl swa:sw swe:sv tam:ta tha:th tur:tr ukr:uk vie:vi
"""

_OTHERS = {
    "pt-pt": "pt_PT",
    "pt-br": "pt",
    "fr-ca": "fr_CA",
    "es-es": "es_ES",
    "iw": "he",
    "in": "id",
    "nb": "no",
    "nn": "no",
}

_CODES = (
    {code.lower().replace("_", "-"): code for code in MAILCHIMP_LANGUAGES}
    | dict(pair.split(":") for pair in _THREE_LETTERS.split())
    | _OTHERS
)


def mailchimp_language(code: str) -> str | None:
    """Mailchimp's code for an X3 code (FRA, ENG), an ISO code (fr, fra) or a locale (fr-FR); None when unknown."""
    key = code.strip().lower().replace("_", "-")
    return _CODES.get(key) or _CODES.get(key.partition("-")[0])
