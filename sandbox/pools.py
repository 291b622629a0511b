"""Words from which example companies, people and places are made."""

FIRST_NAMES = (
    "Ada", "Bruno", "Chloé", "Dörte", "Émile", "Fatima", "Giulia", "Håkon", "Inés", "João", "Kateřina", "Łukasz",
    "Marie-Thérèse", "Noël", "Özge", "Paul", "Quentin", "Renée", "Søren", "Tomáš", "Ursula", "Vincent", "William",
    "Xavier", "Yasmine", "Zoë", "Sean", "Mary Ann", "Siobhán", "健太", "美咲", "伟", "D'Arcy",
)  # fmt: skip
ASCII_FIRST = (
    "ada", "bruno", "chloe", "dorte", "emile", "fatima", "giulia", "hakon", "ines", "joao", "katerina", "lukasz",
    "marie-therese", "noel", "ozge", "paul", "quentin", "renee", "soren", "tomas", "ursula", "vincent", "william",
    "xavier", "yasmine", "zoe", "sean", "maryann", "siobhan", "kenta", "misaki", "wei", "darcy",
)  # fmt: skip
LAST_NAMES = (
    "Lovelace", "Müller", "O'Brien", "Lefèvre", "García Márquez", "Nguyễn", "Šimek", "Østergaard", "Rossi", "Smith",
    "Van der Berg", "Dubois", "Kowalski", "Ångström", "Silva", "Öztürk", "山田", "佐藤", "王", "D'Angelo", "Brown",
    "Schäfer", "Moreau", "Fernández", 'Jones "JJ"', "Petit", "Weiß", "Novák",
)  # fmt: skip
ASCII_LAST = (
    "lovelace", "mueller", "obrien", "lefevre", "garcia", "nguyen", "simek", "ostergaard", "rossi", "smith",
    "vanderberg", "dubois", "kowalski", "angstrom", "silva", "ozturk", "yamada", "sato", "wang", "dangelo", "brown",
    "schaefer", "moreau", "fernandez", "jones", "petit", "weiss", "novak",
)  # fmt: skip
COMPANY_WORDS = (
    "ATELIER", "NORD", "PROMO", "OBJETS", "ÉCLAIR", "GRÜN", "IBÉRICA", "PACIFIC", "LONDON", "TEXTIL", "CAFÉ", "BÜRO",
    "LOGISTIK", "PRINT", "SÜD", "VERRE", "PAPIER", "MÉTAL", "CORPORATE", "GIFTS", "BRANDING", "東京商事", "上海贸易",
    "L'ÉTOILE", "SMITH & SONS", 'THE "BLUE" BOX', "BACK\\SLASH", "MERCHANDISE", "SIGNALÉTIQUE", "EVENTS",
)  # fmt: skip
COMPANY_FORMS = ("SA", "SARL", "GmbH", "Ltd", "S.L.", "B.V.", "SpA", "Inc.", "株式会社", "& Cie")
STREETS = (
    "rue de l'Église",
    "Hauptstraße",
    "High Street",
    "Calle Mayor",
    "Via Roma",
    "中山路",
    "Avenue Foch",
    "Main St",
)
Place = tuple[str, str, str, str, tuple[str, ...], str, str]
PLACES: tuple[Place, ...] = (
    # country, country name, currency, language, cities, state, postal code pattern
    ("FR", "France", "EUR", "FRA", ("PARIS", "LYON", "SAINT-ÉTIENNE", "BESANÇON"), "", "{:05d}"),
    ("DE", "Germany", "EUR", "GER", ("MÜNCHEN", "KÖLN", "BERLIN"), "", "{:05d}"),
    ("GB", "United Kingdom", "GBP", "ENG", ("LONDON", "LEEDS", "KING'S LYNN"), "", "SW{:d} 1AA"),
    ("ES", "Spain", "EUR", "SPA", ("MADRID", "A CORUÑA", "MÁLAGA"), "", "{:05d}"),
    ("US", "United States", "USD", "ENG", ("PORTLAND", "NEW YORK", "AUSTIN"), "OR", "{:05d}"),
    ("IT", "Italy", "EUR", "ITA", ("ROMA", "FORLÌ"), "RM", "{:05d}"),
    ("CH", "Switzerland", "CHF", "FRA", ("GENÈVE", "ZÜRICH"), "", "{:04d}"),
    ("JP", "Japan", "JPY", "JPN", ("東京", "大阪"), "", "{:07d}"),
    ("CN", "China", "CNY", "CHI", ("上海", "北京"), "", "{:06d}"),
    ("ZA", "South Africa", "ZAR", "ENG", ("CAPE TOWN",), "", "{:04d}"),
)
CATEGORIES = ("DOM", "EXP", "KEY", "WEB")
TERMS = ("FR30NET", "FR60EOM", "UKCASH", "US30")
GROUPS = ("GOLD", "SILVER", "BRONZE", "NEW")
REPS = ("AE001", "AE002", "AE003")
POSITIONS = ("ceo", "buyer", "salesManager", "purchasingManager", "other")
DEPARTMENTS = ("Achats", "Sales", "Geschäftsführung", "")
TITLES = ("mr", "mrs", "")
COMPANIES = (("FR10", "FR011", "EUR"), ("GB20", "GB021", "GBP"), ("US30", "US031", "USD"))
BROKEN_EMAILS = (
    "no-at-sign.test", "two@@signs.test", "spaces in@side.test", "trailing@dot.", "n/a", "-", "info@", "@home.test",
    "a,b", "mailto:", "élodie@", "x" * 70 + "@long.test ; ",
)  # fmt: skip
