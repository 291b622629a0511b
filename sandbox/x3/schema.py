"""The same nodes as a graphql-core schema: it checks documents, coerces variables and answers introspection."""

from functools import partial

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)

from sandbox.x3.nodes import ENUMS, Field, Node, Schema, Type

_SCALARS: dict[str, GraphQLScalarType] = {
    "String": GraphQLString,
    "Boolean": GraphQLBoolean,
    "Int": GraphQLInt,
    "Id": GraphQLScalarType("Id"),
    "Decimal": GraphQLScalarType("Decimal"),
    "Date": GraphQLScalarType("Date"),
    "Datetime": GraphQLScalarType("Datetime"),
}
PAGE_ARGUMENTS = ("filter", "orderBy", "first", "after", "before", "last")


def graphql_schema(schema: Schema) -> GraphQLSchema:
    """Make the checked schema; field descriptions carry the X3 column in brackets, as the real one's do."""
    return _Maker(schema).make()


class _Maker:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.enums = {name: GraphQLEnumType(name, {value: value for value in values}) for name, values in ENUMS.items()}
        self.page_info = GraphQLObjectType(
            "PageInfo",
            {
                "startCursor": GraphQLField(GraphQLString),
                "endCursor": GraphQLField(GraphQLString),
                "hasNextPage": GraphQLField(GraphQLNonNull(GraphQLBoolean)),
                "hasPreviousPage": GraphQLField(GraphQLNonNull(GraphQLBoolean)),
            },
        )
        self.access = GraphQLObjectType(
            "PropertyAccess", {"name": GraphQLField(GraphQLString), "status": GraphQLField(GraphQLString)}
        )
        self.objects = {
            type_.name: GraphQLObjectType(type_.name, partial(self.fields, type_)) for type_ in schema.types.values()
        }
        self.collections: dict[str, GraphQLObjectType] = {}
        self.pages = {name: self.page(name) for name in self.objects}

    def make(self) -> GraphQLSchema:
        packages: dict[str, dict[str, GraphQLField]] = {}
        for node in self.schema.nodes:
            packages.setdefault(node.package, {})[node.name] = GraphQLField(self.node(node))
        roots = {
            name: GraphQLField(GraphQLObjectType(f"{name[0].upper()}{name[1:]}Package", nodes))
            for name, nodes in packages.items()
        }
        return GraphQLSchema(GraphQLObjectType("RootQuery", roots))

    def node(self, node: Node) -> GraphQLObjectType:
        name = node.type.name
        return GraphQLObjectType(
            f"{name}Queries{node.name[0].upper()}",
            {
                "query": GraphQLField(self.pages[name], self.arguments()),
                "read": GraphQLField(self.objects[name], {"_id": GraphQLArgument(GraphQLNonNull(_SCALARS["Id"]))}),
            },
        )

    def fields(self, type_: Type) -> dict[str, GraphQLField]:
        made = {name: self.field(name, field) for name, field in type_.fields.items()}
        made["_access"] = GraphQLField(GraphQLList(self.access))
        return made

    def field(self, name: str, field: Field) -> GraphQLField:
        description = f"{name} ({field.column})" if field.column else name
        if field.kind == "leaf":
            leaf: GraphQLOutputType = _SCALARS.get(field.type) or self.enums[field.type]
            return GraphQLField(leaf, description=description)
        if field.kind == "ref":
            return GraphQLField(self.objects[field.type], description=description)
        return GraphQLField(self.collection(field.type), description=description)

    def collection(self, name: str) -> GraphQLObjectType:
        made = self.collections.get(name)
        if made is None:
            made = GraphQLObjectType(f"{name}Collection", {"query": GraphQLField(self.pages[name], self.arguments())})
            self.collections[name] = made
        return made

    def page(self, name: str) -> GraphQLObjectType:
        edge = GraphQLObjectType(
            f"{name}Edge", {"node": GraphQLField(self.objects[name]), "cursor": GraphQLField(GraphQLString)}
        )
        return GraphQLObjectType(
            f"{name}Connection",
            {
                "edges": GraphQLField(GraphQLList(edge)),
                "pageInfo": GraphQLField(self.page_info),
                "totalCount": GraphQLField(GraphQLInt),
            },
        )

    @staticmethod
    def arguments() -> dict[str, GraphQLArgument]:
        return {
            name: GraphQLArgument(GraphQLInt if name in ("first", "last") else GraphQLString) for name in PAGE_ARGUMENTS
        }
