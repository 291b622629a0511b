"""GraphQL documents generated from the paths a selection needs, so that an absent property is simply left out.

Source: reference/sage-x3.md 3.2, 3.4 (nested collections are cut at 20 rows unless `first` says otherwise).
"""

from collections.abc import Iterable

from app.connectors.sage_x3.paths import Path

SLOTS = frozenset(
    {"addressLines", "addressEmails", "addressPhoneNumbers", "statisticalGroups", "salesReps", "companyNames"}
)
"""Collections that are columns in the table: few rows, numbered by denormalizedIndex."""

SLOT_ROWS = 10  # X3 has at most five columns of a kind
CHILD_ROWS = 50
DEEP_ROWS = 200


class Tree:
    """What is asked of one object: names to deeper trees; a collection's rows are numbered when `numbered`."""

    def __init__(self, name: str = "", *, many: bool = False) -> None:
        self.name = name
        self.many = many
        self.numbered = many and name in SLOTS
        self.children: dict[str, Tree] = {}

    def add(self, path: Path) -> None:
        tree = self
        for step in path:
            child = tree.children.setdefault(step.name, Tree(step.name, many=step.many))
            if child.many != step.many:
                raise ValueError(f"{step.name} is read both as one object and as a collection")
            child.numbered = child.numbered or step.index is not None
            tree = child

    def text(self, *, deep: bool = False) -> str:
        """The selection set, without the outer braces."""
        return " ".join(child._field(deep) for child in self.children.values())

    def _field(self, deep: bool) -> str:
        if not self.children:
            return self.name
        inner = self.text(deep=deep)
        if not self.many:
            return f"{self.name}{{{inner}}}"
        rows = DEEP_ROWS if deep else SLOT_ROWS if self.numbered else CHILD_ROWS
        number = "denormalizedIndex " if self.numbered else ""
        return f"{self.name}{{query(first:{rows}){{pageInfo{{hasNextPage}} edges{{node{{{number}{inner}}}}}}}}}"


def tree_of(paths: Iterable[Path]) -> Tree:
    """Raises:
    ValueError: two paths disagree whether a name is a collection.
    """
    tree = Tree()
    for path in paths:
        tree.add(path)
    return tree


def page_document(root: str, node: str, selection: str) -> str:
    """A page of a node's rows."""
    return (
        "query Page($first:Int!,$after:String,$filter:String,$orderBy:String){"
        f"{root}{{{node}{{query(first:$first,after:$after,filter:$filter,orderBy:$orderBy){{"
        f"pageInfo{{endCursor hasNextPage}} edges{{node{{{selection}}}}}}}}}}}}}"
    )


def count_document(root: str, node: str) -> str:
    """How many rows a node has; a count query of its own on the X3 side, so asked for once."""
    return f"query Count{{{root}{{{node}{{query(first:1){{totalCount}}}}}}}}"


PING_DOCUMENT = "query Ping{__typename}"
