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


@given(st.sampled_from(cells.CELL_TYPES), st.sampled_from(["", "s"]), st.sampled_from([" ", "_", "-", ", "]))
def test_case_plural_and_separators_do_not_matter(name: str, plural: str, separator: str) -> None:
    assert cells.resolve(f" {name.replace('_', separator).upper()}{plural} ") == name


@given(st.text(max_size=40))
def test_any_text_is_a_type_or_none(text: str) -> None:
    assert cells.resolve(text) in {*cells.CELL_TYPES, cells.UNSPECIFIED_BLAST, None}
