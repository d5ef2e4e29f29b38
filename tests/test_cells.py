"""The vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen import cells


def test_there_are_twelve_leukocytes_and_four_other_objects() -> None:
    assert len(cells.LEUKOCYTES) == 12
    assert len(cells.OTHER_OBJECTS) == 4
    assert len(set(cells.CELL_TYPES)) == 16


def test_groups_are_made_of_leukocytes() -> None:
    for members in cells.GROUPS.values():
        assert set(members) < set(cells.LEUKOCYTES)


def test_everything_has_a_display_name() -> None:
    assert set(cells.CELL_TYPES) | set(cells.GROUPS) <= set(cells.DISPLAY_NAMES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Segmented neutrophils", "neutrophil"),
        ("Band neutrophils", "band_neutrophil"),
        ("Eosinophil", "eosinophil"),
        ("Basophils", "basophil"),
        ("Lymphocyte", "lymphocyte"),
        ("Lymphocyte, variant", "variant_lymphocyte"),
        ("Blast, no lineage spec", cells.UNSPECIFIED_BLAST),
        ("Giant thrombocyte", "platelet"),
        ("giant_platelet", "platelet"),
        ("Smudge cells", "smudge_cell"),
        ("Erythroblast", "erythroblast"),
        ("erythrocyte", "artefact"),
        ("Artefact", "artefact"),
        ("PROMYELOCYTE", "promyelocyte"),
        ("EOS", "eosinophil"),
        ("BAS", "basophil"),
        ("PMO", "promyelocyte"),
    ],
)
def test_names_of_exports_and_data_sets_are_understood(name: str, expected: str) -> None:
    assert cells.resolve(name) == expected


MUNICH = {  # Matek et al. 2019, AML-Cytomorphology_LMU: its list of abbreviations, in its words
    "BAS": "Basophil",
    "EBO": "Erythroblast",
    "EOS": "Eosinophil",
    "KSC": "Smudge cell",
    "LYA": "Lymphocyte (atypical)",
    "LYT": "Lymphocyte (typical)",
    "MMZ": "Metamyelocyte",
    "MOB": "Monoblast",
    "MON": "Monocyte",
    "MYB": "Myelocyte",
    "MYO": "Myeloblast",
    "NGB": "Neutrophil (band)",
    "NGS": "Neutrophil (segmented)",
    "PMB": "Promyelocyte (bilobed)",
    "PMO": "Promyelocyte",
}
BARCELONA = {  # Acevedo et al. 2020, PBC: the beginnings of its file names
    "BA": "Basophil",
    "BNE": "Band neutrophil",
    "EO": "Eosinophil",
    "ERB": "Erythroblast",
    "LY": "Lymphocyte",
    "MMY": "Metamyelocyte",
    "MO": "Monocyte",
    "MY": "Myelocyte",
    "PLATELET": "Platelet",
    "PMY": "Promyelocyte",
    "SNE": "Segmented neutrophil",
}


@pytest.mark.parametrize(("code", "meaning"), [*MUNICH.items(), *BARCELONA.items()])
def test_codes_of_public_data_sets_mean_what_their_authors_say(code: str, meaning: str) -> None:
    assert cells.resolve(code) == cells.resolve(meaning)
    assert (cells.resolve(code) is None) is (meaning == "Monoblast")  # which is no type here


@pytest.mark.parametrize(
    "name", ["", "plasma_cell", "promonocyte", "normal_unspecified", "ig", "Unidentified", "slide 7"]
)
def test_what_is_no_type_of_ours_is_not_guessed(name: str) -> None:
    assert cells.resolve(name) is None


CLASSES_ABROAD = {
    "Croatian": "Limfociti Monociti Neutrofili Eozinofili Bazofili Trombociti",
    "Czech": "Lymfocyty Monocyty Neutrofily Eozinofily Bazofily Myelocyty Blasty Erytroblasty Trombocyty",
    "Danish": "Lymfocytter Monocytter Neutrofile Eosinofile Basofile Blaster Trombocytter",
    "Dutch": "Lymfocyten Monocyten Neutrofielen Eosinofielen Basofielen Myelocyten Erytroblasten Plasmacellen",
    "Estonian": "Lümfotsüüdid Monotsüüdid Neutrofiilid Blastid",
    "Finnish": "Lymfosyytit Monosyytit Neutrofiilit Eosinofiilit Myelosyytit Blastit Trombosyytit Plasmasolut",
    "French": "Lymphocytes Neutrophiles Éosinophiles Myélocytes Blastes Plaquettes Ombres_de_Gumprecht Artéfacts",
    "German": "Monozyten Eosinophile Segmentkernige Stabkernige Blasten Blutplättchen Plasmazellen Kernschatten "
    "Gumprechtsche_Kernschatten Artefakte Riesenthrombozyten Atypische_Lymphozyten",
    "Greek": "Λεμφοκύτταρα Μονοκύτταρα Ουδετερόφιλα Ηωσινόφιλα Βασεόφιλα Μυελοβλάστες Βλάστες",
    "Hungarian": "Limfociták Monociták Neutrofilek Eozinofilek Mielociták Blasztok Eritroblasztok",
    "Indonesian": "Limfosit Monosit Neutrofil Eosinofil Basofil Trombosit",
    "Italian": "Linfociti Monociti Neutrofili Mielociti Eritroblasti Piastrine Macropiastrine Ombre_di_Gumprecht",
    "Japanese": "リンパ球 単球 好中球 好酸球 好塩基球 骨髄球 後骨髄球 骨髄芽球 芽球 赤芽球 血小板 分葉核球",
    "Latvian": "Limfocīti Monocīti Neitrofili Eozinofīli Blasti",
    "Polish": "Limfocyty Monocyty Neutrofile Eozynofile Bazofile Mielocyty Blasty Cienie_Gumprechta",
    "Portuguese": "Linfócitos Neutrófilos Mielócitos Blastos Plaquetas Bastonetes Segmentados Artefatos",
    "Russian": "Лимфоциты Моноциты Нейтрофилы Эозинофилы Миелоциты Миелобласты Бласты Сегментоядерные Лейкоциты",
    "Serbian": "Лимфоцити Моноцити Неутрофили Мијелоцити Бласти",
    "Spanish": "Linfocitos Monocitos Neutrófilos Mielocitos Blastos Eritroblastos Plaquetas Sombras_de_Gumprecht",
    "Swedish": "Lymfocyter Monocyter Neutrofila Myelocyter Blaster Blastceller Plasmaceller Trombocyter",
    "Turkish": "Lenfositler Monositler Nötrofiller Eozinofiller Miyelositler Blastlar Trombositler",
    "Ukrainian": "Лімфоцити Моноцити Нейтрофіли Мієлоцити Бласти",
    "Chinese": "淋巴细胞 单核细胞 中性粒细胞 嗜酸性粒细胞 早幼粒细胞 原始细胞 血小板 淋巴細胞",
}
PEOPLE_AND_PLACES = (
    *("Losito", "Nocito", "Rozīte", "Rozītis", "Rozita Ahmadi", "Gumprecht", "Gumprecht Anna", "Gumprecht-Schmidt"),
    *("Marcello Gumprecht", "Plaquet", "Malplaquet", "Piastri", "Blastland", "Oblasser", "Simonosytė", "Teofilo"),
    *("Almócita", "Atascocita", "Los Pocitos", "Pozitano", "Počitelj", "Port Deposit", "Velocity", "Tolosita"),
    *(
        "Moskva oblast",
        "Московская область",
        "Мособласть",
        "Βλαστός",
        "Βλάστη",
        "Розите",
        "细胞室",
        "細胞診断科",
        "球磨",
    ),
    *(
        "Miller",
        "Kalniņa",
        "Ozols",
        "Rossi",
        "Meier",
        "Müller",
        "Nguyễn",
        "山田\u3000太郎",
        "王小明",
        "Иванов",
        "Παππάς",
    ),
)


@pytest.mark.parametrize("language", CLASSES_ABROAD)
def test_class_names_of_other_languages_name_classes(language: str) -> None:
    assert [name for name in CLASSES_ABROAD[language].split() if not cells.names_a_class(name)] == []


@pytest.mark.parametrize("name", PEOPLE_AND_PLACES)
def test_names_of_people_and_places_name_no_class(name: str) -> None:
    assert not cells.names_a_class(name)
    assert not cells.names_a_class(name.upper())


@given(st.sampled_from(cells.CELL_TYPES), st.sampled_from(["", "s"]), st.sampled_from([" ", "_", "-", ", "]))
def test_case_plural_and_separators_do_not_matter(name: str, plural: str, separator: str) -> None:
    assert cells.resolve(f" {name.replace('_', separator).upper()}{plural} ") == name


@given(st.text(max_size=40))
def test_any_text_is_a_type_or_none(text: str) -> None:
    assert cells.resolve(text) in {*cells.CELL_TYPES, cells.UNSPECIFIED_BLAST, None}
