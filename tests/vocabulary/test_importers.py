"""Class lists of other tools are read, and hostile or broken ones are refused with their place."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_itaclip.errors import VocabularyError
from napari_itaclip.session.vocabulary_document import VocabularyDocument
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.importers import read_vocabulary

# As COCO's panoptic and detection files have them; Roboflow's exports begin with id 0.
COCO = {
    "info": {"year": 2017},
    "images": [],
    "annotations": [{"id": 1, "segmentation": [[1.5, 2.0, 3.0, 4.0]], "category_id": 1}],
    "categories": [
        {
            "supercategory": "person",
            "isthing": 1,
            "id": 1,
            "name": "person",
            "color": [220, 20, 60],
        },
        {"supercategory": "vehicle", "isthing": 1, "id": 10, "name": "traffic light"},
        {"supercategory": "textile", "isthing": 0, "id": 92, "name": "floor_wood"},
        {"supercategory": "none", "id": 0, "name": "things"},
    ],
}

# What CVAT's "Raw" label editor shows.
CVAT_JSON = [
    {"name": "cat", "id": 4521877, "color": "#b83df5", "type": "any", "attributes": []},
    {"name": "background", "id": 4521878, "color": "#000000", "type": "mask", "attributes": []},
    {
        "name": "traffic_sign",
        "type": "polygon",
        "attributes": [{"name": "kind", "input_type": "select", "values": ["stop", "yield"]}],
    },
]

CVAT_XML = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>4</id><labels>
    <label><name>car</name><color>#2080c0</color><type>polygon</type><attributes>
    </attributes></label>
    <label><name>palm_tree</name><color>#c06060</color><type>any</type></label>
    <label><name>leaf</name><color>#c06060</color><type>points</type><parent>palm_tree</parent>
    </label>
  </labels></task></meta>
  <image id="0" name="a.png"><polygon label="car" points="1,2;3,4"></polygon></image>
</annotations>
"""

LABEL_STUDIO = """
<View>
  <Image name="image" value="$image" zoom="true"/>
  <Header value="Brush"/>
  <BrushLabels name="tag" toName="image">
    <Label value="Airplane" background="rgba(255, 0, 0, 0.7)"/>
    <Label value="Car" background="blue"/>
  </BrushLabels>
  <PolygonLabels name="poly" toName="image">
    <Label value="Car"/><Label value="Runway &amp; grass" background="#ABC"/>
  </PolygonLabels>
</View>
"""


def test_coco() -> None:
    for source in (COCO, COCO["categories"], json.dumps(COCO)):
        vocabulary = read_vocabulary(source)
        assert vocabulary.names == ("person", "traffic light", "floor wood", "things")
        assert vocabulary.ids[:3] == (1, 10, 92)
        assert vocabulary["things"].id == 2, "0 means unlabelled"
        assert vocabulary["person"].color == "#dc143c"


def test_cvat() -> None:
    for source in (CVAT_JSON, json.dumps(CVAT_JSON, indent=2), {"name": "t", "labels": CVAT_JSON}):
        vocabulary = read_vocabulary(source)
        assert vocabulary.names == ("cat", "background", "traffic sign")
        assert vocabulary.ids == (1, 0, 2)
        assert vocabulary.background is not None
        assert vocabulary["cat"].color == "#b83df5"
    vocabulary = read_vocabulary(CVAT_XML)
    assert vocabulary.names == ("car", "palm tree")
    assert vocabulary.colors == ("#2080c0", "#c06060")


def test_label_studio() -> None:
    for source in (LABEL_STUDIO, json.dumps({"id": 1, "label_config": LABEL_STUDIO})):
        vocabulary = read_vocabulary(source)
        assert vocabulary.names == ("Airplane", "Car", "Runway & grass")
        assert vocabulary.colors == ("#ff0000", "#0000ff", "#aabbcc")


def test_lists_of_lines() -> None:
    text = "# the reference's style\nsky, wall, tree\ncat, kitty ,\n\nperson, child;\n"
    for lines in (text, text.replace(";", "")):
        vocabulary = read_vocabulary(lines)
        assert [prompt.words for prompt in vocabulary] == [
            ("sky", "wall", "tree"),
            ("cat", "kitty"),
            ("person", "child"),
        ]
    assert read_vocabulary("cat, dog").names == ("cat", "dog")
    assert read_vocabulary("schema: 1\nclasses: [a, b]").names == ("a", "b")
    assert read_vocabulary("a, x\nb, x", shared_words=True).words == ("a", "x", "b", "x")


class _Frame(dict[str, list[Any]]):
    """As much of a data frame as is used."""

    @property
    def columns(self) -> list[str]:
        return list(self)


def test_the_table_of_a_labels_layer() -> None:
    frame = _Frame({"index": [0, 3, 7], "class": ["unlabelled", "cell", "nucleus"]})
    colormap = SimpleNamespace(
        color_dict={None: [0, 0, 0, 0], 3: [1.0, 0, 0, 1.0], 7: [0, 0, 0, 0]}
    )
    layer = SimpleNamespace(features=frame, data=object(), colormap=colormap)
    vocabulary = Vocabulary.parse(layer)
    assert (vocabulary.names, vocabulary.ids) == (("cell", "nucleus"), (3, 7))
    assert vocabulary["cell"].color == "#ff0000"
    assert vocabulary["nucleus"].color != "#000000", "a hidden class has a colour all the same"
    assert read_vocabulary(frame).ids == (3, 7)
    assert read_vocabulary({"class": ["a", "b"]}).ids == (1, 2)


def test_a_real_labels_layer_gives_its_classes_back() -> None:
    import numpy as np
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    features = {"index": [0, 2, 5], "class": ["background", "cell", "debris"]}
    colors = {None: "transparent", 0: "transparent", 2: "#ff0000", 5: "#00ff00"}
    layer = Labels(
        np.zeros((8, 8), int), features=features, colormap=DirectLabelColormap(color_dict=colors)
    )
    vocabulary = Vocabulary.parse(layer)
    assert vocabulary.names == ("background", "cell", "debris")
    assert vocabulary.ids == (0, 2, 5)
    assert vocabulary.colors == ("#000000", "#ff0000", "#00ff00")


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("c.json", json.dumps(COCO), ("person", "traffic light", "floor wood", "things")),
        ("l.json", json.dumps({"classes": ["a", "b, c"]}), ("a", "b")),
        ("t.xml", CVAT_XML, ("car", "palm tree")),
        ("t.txt", "a, b\nc\n", ("a", "c")),
        ("t.csv", "index,class,color\r\n4,cell,#f00\r\n9,debris,\r\n", ("cell", "debris")),
        ("t.tsv", "id\tname\n4\tcell, wall\n", ("cell, wall",)),
        ("names", "person\nbicycle\n", ("person", "bicycle")),
        ("labels.conf", LABEL_STUDIO, ("Airplane", "Car", "Runway & grass")),
    ],
)
def test_files(tmp_path: Path, name: str, content: str, names: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert Vocabulary.parse(path).names == names
    if path.suffix in (".json", ".xml", ".txt", ".csv", ".tsv"):
        assert Vocabulary.parse(str(path)).names == names
    document = VocabularyDocument()
    document.load(path)
    assert (document.title, document.path) == (name, None), "another tool's file is not saved over"
    with pytest.raises(VocabularyError, match="choose where to save"):
        document.save()


BOMB = '<!DOCTYPE z [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><View><Label value="&b;"/></View>'
OUTSIDE = (
    '<!DOCTYPE v [<!ENTITY x SYSTEM "file:///etc/hostname">]><View><Label value="&x;"/></View>'
)


@pytest.mark.parametrize(
    ("ending", "content", "says"),
    [
        (".xml", BOMB, "document type or entities"),
        (".xml", OUTSIDE, "document type or entities"),
        (".xml", "<a>" * 100_000, "line 1: nested deeper"),
        (".xml", "<View>\n<Label value='a'>\n</View>", "line 3: this is not valid XML"),
        (".xml", "<View/>", "no labels were found below <View>"),
        (".xml", "<View><Label/></View>", r"label\[0\] has no 'name'"),
        (".xml", "<View>\n<Label value='&nope;'/></View>", "entities|line 2"),
        (".json", "[" * 200_000, "nested too deeply"),
        (".json", '{"categories":\n[{"id": 1,}]}', "line 2: this is not valid JSON"),
        (".json", '{"categories": {}}', "'categories' must be a list"),
        (".json", '{"categories": []}', "'categories' is empty"),
        (".json", '{"categories": [{"id": 1}]}', r"categories\[0\] has no 'name'"),
        (".json", '{"categories": [{"name": "a"}, 7]}', r"categories\[1\] must be a mapping"),
        (".json", '{"categories": [{"name": "a", "id": -1}]}', r"categories\[0\]: the id of"),
        (".json", '{"categories": [{"name": "a", "id": 1e999}]}', r"categories\[0\]: the id of"),
        (
            ".json",
            '{"categories": [{"name": "a", "id": 1}, {"name": "b", "id": 1}]}',
            r"categories\[1\].id: 'a' and 'b' have the same id 1",
        ),
        (
            ".json",
            '{"categories": [{"name": "a", "id": 1}, {"name": "A", "id": 2}]}',
            r"categories\[1\]: the class 'A' is listed twice",
        ),
        (".json", '{"categories": [{"name": "\\u0000"}]}', "control character"),
        (".json", '{"klasses": [1]}', "line 1: .*did you mean 'classes'"),
        (".json", '{"label_config": 3}', "label_config"),
        (".json", "7", "expected a mapping"),
        (".txt", "# nothing\n\n", "names no class"),
        (".txt", "a, b\nc\nd, B\n", "line 3: the word 'B' stands in class 'a' and in class 'd'"),
        (".txt", "a\nc\nA\n", "line 3: the class 'A' is listed twice"),
        (".csv", "index,colour\n1,red\n", "no column 'class'.*'index', 'colour'"),
        (".csv", "index,class\n1.5,a\n", "row 1: the index"),
        (".csv", "index,class\n1,\n", "names no class"),
        (".yaml", "classes: !!python/object/apply:os.system ['echo']\n", "line 1: the tag"),
        (".yaml", "classes: &a [*a]\n", "anchors"),
    ],
)
def test_what_is_broken_is_said_and_the_open_vocabulary_stays(
    tmp_path: Path, ending: str, content: str, says: str
) -> None:
    path = tmp_path / f"bad{ending}"
    path.write_text(content, encoding="utf-8")
    document = VocabularyDocument()
    document.open(Vocabulary(["kept"]))
    with pytest.raises(VocabularyError, match=says) as caught:
        document.load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 400
    assert document.vocabulary == Vocabulary(["kept"])


def test_what_is_no_class_list() -> None:
    for source in (3, object(), b"cat", None):
        with pytest.raises(VocabularyError):
            read_vocabulary(source)
    with pytest.raises(VocabularyError, match="there is no vocabulary file"):
        read_vocabulary("nowhere.json")
    assert read_vocabulary([ClassPrompt("a"), "b"]).names == ("a", "b")
    assert read_vocabulary(Vocabulary(["a"])) == Vocabulary(["a"])
