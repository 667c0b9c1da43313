//! The part of Linear's schema that is played here, read once from the files beside this one.

use std::{collections::BTreeMap, sync::LazyLock};

use graphql_parser::{
    query,
    schema::{self as sdl, Definition, InputValue, TypeDefinition},
};

/// `[String!]!` and the like.
pub type Type = query::Type<'static, String>;

/// A type by its name.
#[derive(Debug)]
pub enum Kind {
    /// Ours, or one of the five that GraphQL brings.
    Scalar,
    Enum(Vec<String>),
    Object(BTreeMap<String, Field>),
    Union(Vec<String>),
    Input(BTreeMap<String, Type>),
}

#[derive(Debug)]
pub struct Field {
    pub args: BTreeMap<String, Type>,
    pub gives: Type,
}

static TYPES: LazyLock<BTreeMap<String, Kind>> = LazyLock::new(read);

/// A type that the schema knows.
pub fn kind(name: &str) -> Option<&'static Kind> {
    TYPES.get(name)
}

/// A field of an object type.
pub fn field(object: &str, name: &str) -> Option<&'static Field> {
    match kind(object)? {
        Kind::Object(fields) => fields.get(name),
        Kind::Scalar | Kind::Enum(_) | Kind::Union(_) | Kind::Input(_) => None,
    }
}

/// The name inside brackets and exclamation marks.
pub fn named(shape: &Type) -> &str {
    match shape {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => named(inner),
    }
}

pub const fn is_required(shape: &Type) -> bool {
    matches!(shape, Type::NonNullType(_))
}

/// Without the outermost exclamation mark.
pub fn nullable(shape: &Type) -> &Type {
    match shape {
        Type::NonNullType(inner) => inner,
        Type::NamedType(_) | Type::ListType(_) => shape,
    }
}

fn read() -> BTreeMap<String, Kind> {
    let mut types: BTreeMap<String, Kind> =
        ["String", "Int", "Float", "Boolean", "ID"].map(|name| (name.to_owned(), Kind::Scalar)).into();
    for text in [include_str!("schema.graphql"), include_str!("inputs.graphql")] {
        // A file that cannot be read leaves its types out, which the tests notice.
        let Ok(document) = sdl::parse_schema::<String>(text) else { continue };
        for definition in document.into_static().definitions {
            if let Definition::TypeDefinition(definition) = definition {
                types.extend(read_type(definition));
            }
        }
    }
    types
}

fn read_type(definition: TypeDefinition<'static, String>) -> Option<(String, Kind)> {
    let of_values = |values: Vec<InputValue<'static, String>>| -> BTreeMap<String, Type> {
        values.into_iter().map(|value| (value.name, value.value_type)).collect()
    };
    Some(match definition {
        TypeDefinition::Scalar(scalar) => (scalar.name, Kind::Scalar),
        TypeDefinition::Enum(list) => {
            (list.name, Kind::Enum(list.values.into_iter().map(|value| value.name).collect()))
        }
        TypeDefinition::Union(union) => (union.name, Kind::Union(union.types)),
        TypeDefinition::InputObject(input) => (input.name, Kind::Input(of_values(input.fields))),
        TypeDefinition::Object(object) => {
            let fields = object
                .fields
                .into_iter()
                .map(|field| (field.name, Field { args: of_values(field.arguments), gives: field.field_type }));
            (object.name, Kind::Object(fields.collect()))
        }
        TypeDefinition::Interface(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_schema_is_a_type_of_it() {
        let mut names: Vec<&str> = Vec::new();
        for kind in TYPES.values() {
            match kind {
                Kind::Scalar | Kind::Enum(_) => {}
                Kind::Union(members) => names.extend(members.iter().map(String::as_str)),
                Kind::Input(fields) => names.extend(fields.values().map(named)),
                Kind::Object(fields) => {
                    for field in fields.values() {
                        names.push(named(&field.gives));
                        names.extend(field.args.values().map(named));
                    }
                }
            }
        }
        let unknown: Vec<&str> = names.into_iter().filter(|name| kind(name).is_none()).collect();
        assert_eq!(unknown, Vec::<&str>::new());
        assert!(TYPES.len() > 90, "a file could not be read");
    }
}
