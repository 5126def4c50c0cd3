"""The vocabulary that a person edits: adding, ids, single edits, rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from napari_itaclip.errors import VocabularyError
from napari_itaclip.session.vocabulary_editor import VocabularyEditor
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.prompts import AuxiliaryText, ClassPrompt
from tests.session.edited_words import id_of, listen, make_editor, names


@pytest.fixture
def editor() -> VocabularyEditor:
    return make_editor()


@pytest.fixture
def heard(editor: VocabularyEditor) -> list[str]:
    return listen(editor)


def test_it_needs_neither_torch_nor_qt_nor_napari() -> None:
    code = (
        "import sys, napari_itaclip.session.vocabulary_editor\n"
        "print([m for m in ('torch', 'qtpy', 'napari') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert out.stdout.strip() == "[]"


# ---- adding ------------------------------------------------------------------------------------


def test_it_begins_empty() -> None:
    editor = VocabularyEditor()
    assert editor.vocabulary is None
    assert not editor.dirty
    assert not editor.can_undo
    assert editor.selected is None


def test_commas_separate_classes_and_a_semicolon_makes_synonyms() -> None:
    editor = VocabularyEditor()
    assert editor.add("building, road") == ("building", "road")
    assert editor.add("tree, palm;") == ("tree",)
    assert editor.add("car, automobile\nship") == ("car", "ship")
    assert editor.vocabulary is not None
    assert editor.vocabulary["tree"].synonyms == ("palm",)
    assert editor.vocabulary["car"].synonyms == ("automobile",)


def test_words_that_are_there_are_left_out_and_reported(editor: VocabularyEditor) -> None:
    notices: list[str] = []
    editor.noticed.connect(notices.append)
    assert editor.add("Road, car, street") == ("car",)
    assert names(editor) == ("building", "road", "palm tree", "car")
    assert "'Road'" in notices[0]
    assert "'street' (in class 'road')" in notices[0]


def test_synonyms_for_a_class_that_is_there_are_added_to_it(editor: VocabularyEditor) -> None:
    assert editor.add("road, motorway;") == ()
    assert editor.vocabulary is not None
    assert editor.vocabulary["road"].synonyms == ("street", "motorway")
    assert names(editor) == ("building", "road", "palm tree")


@pytest.mark.parametrize("text", ["", " ", ";,;", "road", "street", "ROAD, building"])
def test_nothing_new_is_an_error_and_no_step(
    editor: VocabularyEditor, heard: list[str], text: str
) -> None:
    before = editor.undo_text
    with pytest.raises(VocabularyError):
        editor.add(text)
    assert editor.undo_text == before
    assert heard == []


def test_a_pasted_list_may_have_bullets_and_repeats() -> None:
    editor = VocabularyEditor()
    editor.add("- cat, kitten, Cat\n* dog\n\n• Dog\r\n-   horse")
    assert names(editor) == ("cat", "dog", "horse")


def test_the_first_new_class_is_selected(editor: VocabularyEditor) -> None:
    editor.add("car, ship")
    assert editor.selected == id_of(editor, "car")


# ---- ids and colours ---------------------------------------------------------------------------


def test_ids_and_colours_stay_when_others_come_and_go(editor: VocabularyEditor) -> None:
    before = {prompt.name: (prompt.id, prompt.color) for prompt in editor.classes}
    editor.add("car, ship")
    editor.remove([id_of(editor, "road")])
    editor.move([id_of(editor, "palm tree")], 0)
    editor.rename(id_of(editor, "building"), "house")
    after = {prompt.name: (prompt.id, prompt.color) for prompt in editor.classes}
    assert after["palm tree"] == before["palm tree"]
    assert after["house"] == before["building"]


def test_the_id_of_a_removed_class_never_returns() -> None:
    editor = VocabularyEditor()
    editor.add("road")
    first = id_of(editor, "road")
    editor.undo()
    assert editor.vocabulary is None
    editor.add("road")
    second = id_of(editor, "road")
    editor.remove([second])
    editor.add("tree")
    third = id_of(editor, "tree")
    editor.clear()
    editor.add("ship")
    assert len({first, second, third, id_of(editor, "ship")}) == 4


def test_redo_brings_a_class_back_under_its_id(editor: VocabularyEditor) -> None:
    editor.add("car")
    number = id_of(editor, "car")
    editor.undo()
    editor.redo()
    assert id_of(editor, "car") == number


def test_another_vocabulary_is_another_lineage(editor: VocabularyEditor) -> None:
    first = editor.lineage
    editor.rename(id_of(editor, "road"), "path")
    assert editor.lineage == first
    editor.open(Vocabulary(("cat", "dog")))
    second = editor.lineage
    assert second != first
    editor.undo()
    assert editor.lineage == first
    assert names(editor) == ("building", "path", "palm tree")
    editor.open(Vocabulary(("cat",)))
    assert editor.lineage not in (first, second)


# ---- single edits ------------------------------------------------------------------------------


def test_rename_keeps_synonyms_and_takes_new_ones_after_a_comma(editor: VocabularyEditor) -> None:
    road = id_of(editor, "road")
    editor.rename(road, "motorway, highway")
    prompt = editor.find(road)
    assert prompt is not None
    assert prompt.words == ("motorway", "street", "highway")
    editor.rename(road, "street")
    prompt = editor.find(road)
    assert prompt is not None
    assert prompt.words == ("street", "highway")


EDITS: dict[str, Callable[[VocabularyEditor, int], None]] = {
    "name taken": lambda editor, id: editor.rename(id, "building"),
    "empty name": lambda editor, id: editor.rename(id, "  "),
    "two classes": lambda editor, id: editor.rename(id, "a; b"),
    "word of another class": lambda editor, id: editor.set_synonyms(id, ["palm tree"]),
    "word twice": lambda editor, id: editor.set_synonyms(id, ["lane", "lane"]),
    "empty text": lambda editor, id: editor.set_auxiliary(id, [""]),
    "weight": lambda editor, id: editor.set_alpha(id, 1.5),
    "common weight": lambda editor, id: editor.set_alpha(None, -1.0),
    "no common weight": lambda editor, id: editor.set_alpha(None, None),
    "colour": lambda editor, id: editor.set_color(id, "reddish"),
    "bias": lambda editor, id: editor.set_bias(id, float("nan")),
    "threshold": lambda editor, id: editor.set_threshold(id, 2.0),
    "unknown id": lambda editor, id: editor.rename(999, "car"),
    "unknown id removed": lambda editor, id: editor.remove([id, 999]),
    "unknown id moved": lambda editor, id: editor.move([999], 0),
    "unknown id hidden": lambda editor, id: editor.set_hidden(999, True),
    "missing file": lambda editor, id: editor.load("does-not-exist.yaml"),
    "no file to save to": lambda editor, id: print(editor.save()),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_failing_edit_changes_nothing(
    editor: VocabularyEditor, heard: list[str], edit: Callable[[VocabularyEditor, int], None]
) -> None:
    before = (editor.vocabulary, editor.undo_text, editor.lineage, editor.selected, editor.dirty)
    with pytest.raises(VocabularyError):
        edit(editor, id_of(editor, "road"))
    after = (editor.vocabulary, editor.undo_text, editor.lineage, editor.selected, editor.dirty)
    assert after == before
    assert heard == []


def test_every_edit_is_one_step_back(editor: VocabularyEditor) -> None:
    road = id_of(editor, "road")
    steps: list[Callable[[], object]] = [
        lambda: editor.rename(road, "path"),
        lambda: editor.set_synonyms(road, ["lane"]),
        lambda: editor.set_auxiliary(road, [AuxiliaryText("a way", enabled=False), "paved"]),
        lambda: editor.set_alpha(road, 0.5),
        lambda: editor.set_alpha(None, 0.4),
        lambda: editor.share_alpha(road),
        lambda: editor.set_color(road, "#123456"),
        lambda: editor.set_bias(road, 0.7),
        lambda: editor.set_threshold(road, 0.3),
        lambda: editor.set_background(road, True),
        lambda: editor.move([road], 3),
        lambda: editor.duplicate([road]),
        lambda: editor.remove([road]),
        lambda: editor.add("car, ship"),
        lambda: editor.clear(),
        lambda: editor.open(Vocabulary(("cat",))),
    ]
    seen = [(editor.classes, editor.alpha)]
    for step in steps:
        step()
        seen.append((editor.classes, editor.alpha))
    assert len(set(seen)) == len(seen)
    for state in reversed(seen[:-1]):
        editor.undo()
        assert (editor.classes, editor.alpha) == state
    for state in seen[1:]:
        editor.redo()
        assert (editor.classes, editor.alpha) == state


def test_an_edit_that_changes_nothing_is_no_step(
    editor: VocabularyEditor, heard: list[str]
) -> None:
    before = editor.undo_text
    editor.rename(id_of(editor, "road"), "road")
    editor.move([id_of(editor, "road")], 1)
    editor.set_bias(id_of(editor, "road"), 0.0)
    editor.select(editor.selected)
    assert editor.undo_text == before
    assert heard == []


def test_a_drag_is_one_step_until_it_ends(editor: VocabularyEditor) -> None:
    road, tree = id_of(editor, "road"), id_of(editor, "palm tree")
    for value in (0.1, 0.2, 0.3):
        editor.set_bias(road, value, merge="bias")
    editor.finish_merge()
    editor.set_bias(road, 0.9, merge="bias")
    editor.set_bias(tree, 0.5, merge="bias")
    biases = [prompt.bias for prompt in editor.classes]
    assert biases == [0.0, 0.9, 0.5]
    seen = []
    for _ in range(3):
        editor.undo()
        seen.append([prompt.bias for prompt in editor.classes])
    assert seen == [[0.0, 0.9, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.0]]


def test_a_drag_back_to_its_start_leaves_no_step(editor: VocabularyEditor) -> None:
    before = editor.undo_text
    for value in (0.5, 0.0):
        editor.set_bias(id_of(editor, "road"), value, merge="bias")
    assert editor.undo_text == before


def test_a_shared_weight_is_every_class_s(editor: VocabularyEditor) -> None:
    road = id_of(editor, "road")
    editor.set_alpha(road, 0.6)
    editor.share_alpha(road)
    assert editor.alpha == 0.6
    assert all(prompt.alpha is None for prompt in editor.classes)


def test_the_background_mark_moves_and_ids_stay(editor: VocabularyEditor) -> None:
    ids = [prompt.id for prompt in editor.classes]
    editor.set_background(id_of(editor, "road"), True)
    editor.set_background(id_of(editor, "building"), True)
    assert [prompt.background for prompt in editor.classes] == [True, False, False]
    assert [prompt.id for prompt in editor.classes] == ids


def test_a_class_that_stops_being_background_gives_up_id_0() -> None:
    editor = VocabularyEditor()
    editor.open(Vocabulary((ClassPrompt("ground", background=True), "tree")))
    assert editor.selected == 0
    editor.set_background(0, False)
    ground = editor.find(id_of(editor, "ground"))
    assert ground is not None
    assert ground.id not in (0, id_of(editor, "tree"))
    assert ground.color != "#000000"
    assert editor.selected == ground.id


# ---- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moved", "position", "order"),
    [
        ("a", 0, "abcd"),
        ("a", 2, "bacd"),
        ("a", 4, "bcda"),
        ("d", 0, "dabc"),
        ("ac", 4, "bdac"),
        ("bd", 1, "abdc"),
        ("b", 99, "acdb"),
        ("b", -3, "bacd"),
    ],
)
def test_rows_move_before_a_place(moved: str, position: int, order: str) -> None:
    editor = VocabularyEditor()
    editor.add("a, b, c, d")
    editor.move([id_of(editor, name) for name in moved], position)
    assert "".join(names(editor)) == order


def test_copies_have_their_own_names_ids_and_colours(editor: VocabularyEditor) -> None:
    road = id_of(editor, "road")
    editor.set_bias(road, 0.5)
    editor.add("road 2")
    copies = editor.duplicate([road])
    assert names(editor) == ("building", "road", "road 3", "palm tree", "road 2")
    copy = editor.find(copies[0])
    assert copy is not None
    assert copy.bias == 0.5
    assert copy.synonyms == ()
    assert len({prompt.color for prompt in editor.classes}) == 5
    assert editor.selected == copies[0]


def test_removing_the_selected_class_selects_its_neighbour(editor: VocabularyEditor) -> None:
    ids = [prompt.id or 0 for prompt in editor.classes]
    editor.select(ids[1])
    editor.remove([ids[1]])
    assert editor.selected == ids[2]
    editor.remove([ids[2]])
    assert editor.selected == ids[0]
    editor.remove([ids[0]])
    assert editor.selected is None
    assert editor.vocabulary is None


def test_the_selection_goes_round(editor: VocabularyEditor) -> None:
    ids = [prompt.id for prompt in editor.classes]
    editor.select(None)
    seen = []
    for _ in range(4):
        editor.select_neighbour(1)
        seen.append(editor.selected)
    assert seen == [*ids, ids[0]]
    editor.select_neighbour(-1)
    assert editor.selected == ids[-1]
    editor.select(12345)
    assert editor.selected is None
