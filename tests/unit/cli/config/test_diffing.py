from app.cli.config.diffing import ABSENT, Difference, differences


def found(before: object, after: object) -> list[Difference]:
    return list(differences(before, after))


def test_the_same_has_no_difference() -> None:
    value = {"a": [{"name": "x", "b": [1, 2]}], "c": None}

    assert found(value, {"c": None, "a": [{"b": [1, 2], "name": "x"}]}) == []


def test_fields_are_named_by_their_way_through_objects() -> None:
    assert found({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "d": None}}) == [
        Difference("a.b", 1, 3),
        Difference("a.c", 2, ABSENT),
        Difference("a.d", ABSENT, None),
    ]


def test_items_are_told_apart_by_target_or_name_wherever_they_stand() -> None:
    before = [{"target": "FNAME", "source": "a"}, {"target": "LNAME", "source": "b"}]
    after = [{"target": "NEW", "source": "c"}, {"target": "LNAME", "source": "d"}]

    assert found({"fields": before}, {"fields": after}) == [
        Difference("fields.FNAME", before[0], ABSENT),
        Difference("fields.LNAME.source", "b", "d"),
        Difference("fields.NEW", ABSENT, after[0]),
    ]


def test_another_order_of_the_same_items_is_a_difference_of_its_own() -> None:
    one, two = {"name": "one"}, {"name": "two"}

    assert found({"tags": [one, two]}, {"tags": [two, one]}) == [Difference("tags (order)", "one, two", "two, one")]


def test_lists_without_names_are_compared_whole() -> None:
    assert found({"in": ["a", "b"]}, {"in": ["b", "a"]}) == [Difference("in", ["a", "b"], ["b", "a"])]
    assert found({"in": []}, {"in": ["a"]}) == [Difference("in", [], ["a"])]


def test_what_is_equal_to_python_but_not_to_json_differs() -> None:
    assert found({"a": 1}, {"a": True}) == [Difference("a", 1, True)]
