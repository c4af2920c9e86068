"""Codes of languages: two letters for those of three, and for names in English and in the language itself.

*Source*: ISO 639-2 (both of its sets) and 639-3; names as in the Unicode CLDR.
"""

from __future__ import annotations

UNDETERMINED = "und"
_CODES = """
    aar:aa abk:ab afr:af aka:ak alb:sq amh:am ara:ar arg:an arm:hy asm:as ava:av ave:ae aym:ay aze:az bak:ba
    bam:bm baq:eu bel:be ben:bn bih:bh bis:bi bod:bo bos:bs bre:br bul:bg bur:my cat:ca ces:cs cha:ch che:ce
    chi:zh chu:cu chv:cv cor:kw cos:co cre:cr cym:cy cze:cs dan:da deu:de div:dv dut:nl dzo:dz ell:el eng:en
    epo:eo est:et eus:eu ewe:ee fao:fo fas:fa fij:fj fin:fi fra:fr fre:fr fry:fy ful:ff geo:ka ger:de gla:gd
    gle:ga glg:gl glv:gv gre:el grn:gn guj:gu hat:ht hau:ha hbs:sh heb:he her:hz hin:hi hmo:ho hrv:hr hun:hu
    hye:hy ibo:ig ice:is ido:io iii:ii iku:iu ile:ie ina:ia ind:id ipk:ik isl:is ita:it jav:jv jpn:ja kal:kl
    kan:kn kas:ks kat:ka kau:kr kaz:kk khm:km kik:ki kin:rw kir:ky kom:kv kon:kg kor:ko kua:kj kur:ku lao:lo
    lat:la lav:lv lim:li lin:ln lit:lt ltz:lb lub:lu lug:lg mac:mk mah:mh mal:ml mao:mi mar:mr may:ms mkd:mk
    mlg:mg mlt:mt mon:mn mri:mi msa:ms mya:my nau:na nav:nv nbl:nr nde:nd ndo:ng nep:ne nld:nl nno:nn nob:nb
    nor:no nya:ny oci:oc oji:oj ori:or orm:om oss:os pan:pa per:fa pli:pi pol:pl por:pt pus:ps que:qu roh:rm
    ron:ro rum:ro run:rn rus:ru sag:sg san:sa sin:si slk:sk slo:sk slv:sl sme:se smo:sm sna:sn snd:sd som:so
    sot:st spa:es sqi:sq srd:sc srp:sr ssw:ss sun:su swa:sw swe:sv tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl
    tha:th tib:bo tir:ti ton:to tsn:tn tso:ts tuk:tk tur:tr twi:tw uig:ug ukr:uk urd:ur uzb:uz ven:ve vie:vi
    vol:vo wel:cy wln:wa wol:wo xho:xh yid:yi yor:yo zha:za zho:zh zul:zu
"""
TWO_LETTERS: dict[str, str] = dict(pair.split(":") for pair in _CODES.split())
CODES_OF_TWO = frozenset(TWO_LETTERS.values())
# Codes that ISO 639 has withdrawn, and those that replace them.
REPLACED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro"}
# Codes of countries and others that are none of languages, and the language that is probably meant.
MISTAKEN = {
    "al": "sq", "at": "de", "au": "en", "by": "be", "cn": "zh", "cz": "cs", "dk": "da", "eg": "ar", "gb": "en",
    "ge": "ka", "gr": "el", "hk": "zh", "il": "he", "iq": "ar", "ir": "fa", "jp": "ja", "kz": "kk", "md": "ro",
    "me": "sr", "mx": "es", "nz": "en", "ph": "fil", "pk": "ur", "rs": "sr", "ua": "uk", "us": "en",
    "vn": "vi",
}  # fmt: skip
# What systems write where they know no language, or more than one.
NO_LANGUAGE = frozenset(
    {UNDETERMINED, "mul", "zxx", "none", "unknown", "undefined", "default", "x-default", "all", "multilingual"}
)
_NAMES = """
    af: Afrikaans | am: Amharic, አማርኛ | ar: Arabic, العربية | az: Azerbaijani, Azərbaycan, Azərbaycanca
    be: Belarusian, Беларуская | bg: Bulgarian, Български | bn: Bengali, Bangla, বাংলা
    bs: Bosnian, Bosanski | ca: Catalan, Català | cs: Czech, Čeština, Česky | cy: Welsh, Cymraeg
    da: Danish, Dansk | de: German, Deutsch | el: Greek, Ελληνικά | en: English | eo: Esperanto
    es: Spanish, Castilian, Español, Castellano | et: Estonian, Eesti | eu: Basque, Euskara
    fa: Persian, Farsi, فارسی | fi: Finnish, Suomi | fil: Filipino | fo: Faroese, Føroyskt
    fr: French, Français | fy: Western Frisian, Frisian, Frysk | ga: Irish, Gaeilge
    gd: Scottish Gaelic, Gàidhlig | gl: Galician, Galego | gu: Gujarati, ગુજરાતી | ha: Hausa
    he: Hebrew, עברית | hi: Hindi, हिन्दी, हिंदी | hr: Croatian, Hrvatski
    ht: Haitian Creole, Haitian, Kreyòl ayisyen | hu: Hungarian, Magyar | hy: Armenian, Հայերեն
    id: Indonesian, Bahasa Indonesia | ig: Igbo | is: Icelandic, Íslenska | it: Italian, Italiano
    ja: Japanese, 日本語 | ka: Georgian, ქართული | kk: Kazakh, Қазақ тілі | kl: Greenlandic, Kalaallisut
    km: Khmer, ខ្មែរ | kn: Kannada, ಕನ್ನಡ | ko: Korean, 한국어 | ku: Kurdish, Kurdî
    ky: Kyrgyz, Kirghiz, Кыргызча | la: Latin | lb: Luxembourgish, Lëtzebuergesch | lo: Lao, ລາວ
    lt: Lithuanian, Lietuvių | lv: Latvian, Latviešu | mg: Malagasy | mi: Maori, Māori
    mk: Macedonian, Македонски | ml: Malayalam, മലയാളം | mn: Mongolian, Монгол | mr: Marathi, मराठी
    ms: Malay, Bahasa Melayu, Melayu | mt: Maltese, Malti | my: Burmese, မြန်မာ
    nb: Norwegian Bokmål, Norsk bokmål, Bokmål | ne: Nepali, नेपाली | nl: Dutch, Flemish, Nederlands, Vlaams
    nn: Norwegian Nynorsk, Norsk nynorsk, Nynorsk | no: Norwegian, Norsk | oc: Occitan
    om: Oromo, Oromoo, Afaan Oromoo | or: Odia, Oriya, ଓଡ଼ିଆ | pa: Punjabi, Panjabi, ਪੰਜਾਬੀ
    pcm: Nigerian Pidgin, Pidgin | pl: Polish, Polski | ps: Pashto, پښتو | pt: Portuguese, Português
    rm: Romansh, Rumantsch | ro: Romanian, Moldovan, Română | ru: Russian, Русский
    rw: Kinyarwanda, Ikinyarwanda | se: Northern Sami, Davvisámegiella | si: Sinhala, Sinhalese, සිංහල
    sk: Slovak, Slovenčina | sl: Slovenian, Slovene, Slovenščina | so: Somali, Soomaali
    sq: Albanian, Shqip | sr: Serbian, Српски, Srpski | sv: Swedish, Svenska | sw: Swahili, Kiswahili
    ta: Tamil, தமிழ் | te: Telugu, తెలుగు | tg: Tajik, Тоҷикӣ | th: Thai, ไทย | ti: Tigrinya, ትግርኛ
    tk: Turkmen, Türkmen dili | tl: Tagalog | tr: Turkish, Türkçe | tt: Tatar, Татарча
    ug: Uyghur, ئۇيغۇرچە | uk: Ukrainian, Українська | ur: Urdu, اردو | uz: Uzbek, Oʻzbekcha, O'zbek
    vi: Vietnamese, Tiếng Việt | xh: Xhosa, isiXhosa | yi: Yiddish, ייִדיש | yo: Yoruba, Yorùbá
    zh: Chinese, Simplified Chinese, Traditional Chinese, Mandarin, 中文, 简体中文, 繁體中文, 汉语, 漢語
    zu: Zulu, isiZulu
"""
_NAMED = (entry.split(":") for line in _NAMES.split("\n") if line.strip() for entry in line.split("|"))
# By names in lower case, composed (NFC).
BY_NAME: dict[str, str] = {
    name.strip().casefold(): code.strip() for code, names in _NAMED for name in names.split(",")
}
