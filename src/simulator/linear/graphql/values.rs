//! Arguments: literals and variables brought to the shapes that the schema wants, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{Value as Literal, VariableDefinition};
use serde_json::{Map, Value, json};

use super::schema::{self, Kind, Type, is_required, named, nullable};

type Parsed = Literal<'static, String>;

/// The variables of an operation with their values, and which of them have been used.
#[derive(Debug, Default)]
pub struct Variables {
    declared: BTreeMap<String, (Type, bool)>,
    values: Map<String, Value>,
    used: BTreeSet<String>,
}

impl Variables {
    /// # Errors
    /// When a variable has no type of the schema's, or its value does not fit it.
    pub fn read(
        definitions: &[VariableDefinition<'static, String>],
        given: &Map<String, Value>,
    ) -> Result<Self, String> {
        let mut variables = Self::default();
        for definition in definitions {
            let (name, shape) = (&definition.name, &definition.var_type);
            match schema::kind(named(shape)) {
                Some(Kind::Scalar | Kind::Enum(_) | Kind::Input(_)) => {}
                Some(Kind::Object(_) | Kind::Union(_)) => {
                    return Err(format!("Variable \"${name}\" cannot be non-input type \"{shape}\"."));
                }
                None => return Err(format!("Unknown type \"{}\".", named(shape))),
            }
            let by_default = match &definition.default_value {
                Some(literal) => Self::default().literal(literal, shape)?,
                None => None,
            };
            let value = match given.get(name) {
                Some(value) => {
                    let problem = |why| format!("Variable \"${name}\" got invalid value; {why}");
                    Some(json_value(value, shape, "").map_err(problem)?)
                }
                None => by_default.clone(),
            };
            if let Some(value) = value {
                variables.values.insert(name.clone(), value);
            } else if is_required(shape) {
                return Err(format!("Variable \"${name}\" of required type \"{shape}\" was not provided."));
            }
            if variables.declared.insert(name.clone(), (shape.clone(), by_default.is_some())).is_some() {
                return Err(format!("There can be only one variable named \"${name}\"."));
            }
        }
        Ok(variables)
    }

    /// A variable that is declared and never used.
    pub fn unused(&self) -> Option<&str> {
        self.declared.keys().find(|name| !self.used.contains(*name)).map(String::as_str)
    }

    /// The arguments of a field.
    ///
    /// # Errors
    /// For arguments that are not known, are missing, or do not fit.
    pub fn arguments(
        &mut self,
        of: &str,
        given: &[(String, Parsed)],
        wanted: &BTreeMap<String, Type>,
    ) -> Result<Map<String, Value>, String> {
        let mut read = Map::new();
        let mut seen = BTreeSet::new();
        for (name, literal) in given {
            let shape = wanted.get(name).ok_or_else(|| format!("Unknown argument \"{name}\" on field \"{of}\"."))?;
            if !seen.insert(name) {
                return Err(format!("There can be only one argument named \"{name}\"."));
            }
            if let Some(value) = self.literal(literal, shape)? {
                read.insert(name.clone(), value);
            }
        }
        match wanted.iter().find(|(name, shape)| is_required(shape) && !read.contains_key(*name)) {
            Some((name, shape)) => Err(format!(
                "Field \"{of}\" argument \"{name}\" of type \"{shape}\" is required, but it was not provided."
            )),
            None => Ok(read),
        }
    }

    /// What a literal says; nothing when it is a variable without a value.
    fn literal(&mut self, literal: &Parsed, shape: &Type) -> Result<Option<Value>, String> {
        if let Literal::Variable(name) = literal {
            return self.variable(name, shape);
        }
        if matches!(literal, Literal::Null) {
            return if is_required(shape) { Err(expected(shape, "null")) } else { Ok(Some(Value::Null)) };
        }
        match (nullable(shape), literal) {
            (Type::ListType(inner), Literal::List(items)) => {
                let items = items.iter().map(|item| self.literal(item, inner));
                let items: Result<Vec<Option<Value>>, String> = items.collect();
                Ok(Some(items?.into_iter().map(|item| item.unwrap_or(Value::Null)).collect()))
            }
            (Type::ListType(inner), _) => Ok(self.literal(literal, inner)?.map(|item| json!([item]))),
            (Type::NamedType(name), _) => self.named_literal(literal, name, shape),
            (Type::NonNullType(inner), _) => self.literal(literal, inner),
        }
    }

    fn named_literal(&mut self, literal: &Parsed, name: &str, shape: &Type) -> Result<Option<Value>, String> {
        match (schema::kind(name), literal) {
            (Some(Kind::Enum(values)), Literal::Enum(value)) if values.contains(value) => Ok(Some(json!(value))),
            (Some(Kind::Input(fields)), Literal::Object(given)) => {
                let mut read = Map::new();
                for (field, literal) in given {
                    let shape = fields.get(field).ok_or_else(|| unknown_field(field, name))?;
                    if let Some(value) = self.literal(literal, shape)? {
                        read.insert(field.clone(), value);
                    }
                }
                missing(name, fields, &read)?;
                Ok(Some(Value::Object(read)))
            }
            (Some(Kind::Scalar), _) => scalar(plain(literal, &mut self.used, &self.values), name, shape).map(Some),
            _ => Err(expected(shape, &literal.to_string())),
        }
    }

    fn variable(&mut self, name: &str, shape: &Type) -> Result<Option<Value>, String> {
        self.used.insert(name.to_owned());
        let (declared, has_default) =
            self.declared.get(name).ok_or_else(|| format!("Variable \"${name}\" is not defined."))?;
        if !allowed(declared, *has_default, shape) {
            return Err(format!(
                "Variable \"${name}\" of type \"{declared}\" used in position expecting type \"{shape}\"."
            ));
        }
        Ok(self.values.get(name).cloned())
    }
}

/// Whether a variable of one type may stand where another is wanted.
fn allowed(declared: &Type, has_default: bool, wanted: &Type) -> bool {
    match (declared, wanted) {
        (Type::NonNullType(declared), Type::NonNullType(wanted))
        | (Type::ListType(declared), Type::ListType(wanted)) => allowed(declared, false, wanted),
        (declared, Type::NonNullType(wanted)) => has_default && allowed(declared, false, wanted),
        (Type::NonNullType(declared), wanted) => allowed(declared, false, wanted),
        (Type::NamedType(declared), Type::NamedType(wanted)) => declared == wanted,
        (Type::ListType(_), Type::NamedType(_)) | (Type::NamedType(_), Type::ListType(_)) => false,
    }
}

/// A variable's value as a type wants it.
fn json_value(value: &Value, shape: &Type, at: &str) -> Result<Value, String> {
    if value.is_null() {
        return if is_required(shape) { Err(expected(shape, "null") + at) } else { Ok(Value::Null) };
    }
    match nullable(shape) {
        Type::ListType(inner) => match value {
            Value::Array(items) => items.iter().map(|item| json_value(item, inner, at)).collect(),
            _ => Ok(json!([json_value(value, inner, at)?])),
        },
        Type::NonNullType(inner) => json_value(value, inner, at),
        Type::NamedType(name) => match (schema::kind(name), value) {
            (Some(Kind::Enum(values)), Value::String(text)) if values.contains(text) => Ok(value.clone()),
            (Some(Kind::Input(fields)), Value::Object(given)) => {
                let mut read = Map::new();
                for (field, value) in given {
                    let shape = fields.get(field).ok_or_else(|| unknown_field(field, name))?;
                    read.insert(field.clone(), json_value(value, shape, &format!(" at \"{field}\""))?);
                }
                missing(name, fields, &read)?;
                Ok(Value::Object(read))
            }
            (Some(Kind::Scalar), _) => scalar(value.clone(), name, shape),
            _ => Err(expected(shape, &value.to_string()) + at),
        },
    }
}

fn missing(name: &str, fields: &BTreeMap<String, Type>, read: &Map<String, Value>) -> Result<(), String> {
    match fields.iter().find(|(field, shape)| is_required(shape) && !read.contains_key(*field)) {
        Some((field, shape)) => Err(format!("Field \"{name}.{field}\" of required type \"{shape}\" was not provided.")),
        None => Ok(()),
    }
}

fn unknown_field(field: &str, name: &str) -> String {
    format!("Field \"{field}\" is not defined by type \"{name}\".")
}

fn expected(shape: &Type, found: &str) -> String {
    format!("Expected value of type \"{shape}\", found {found}.")
}

/// `JSONObject` takes lists too: plans are lists.
fn scalar(value: Value, name: &str, shape: &Type) -> Result<Value, String> {
    let fits = match name {
        "String" | "DateTime" | "DateTimeOrDuration" => value.is_string(),
        "ID" => value.is_string() || value.is_i64(),
        "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "Float" => value.is_number(),
        "Boolean" => value.is_boolean(),
        "JSONObject" => value.is_object() || value.is_array(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(expected(shape, &value.to_string())) }
}

/// A literal of any form as JSON.
fn plain(literal: &Parsed, used: &mut BTreeSet<String>, values: &Map<String, Value>) -> Value {
    match literal {
        Literal::Variable(name) => {
            used.insert(name.clone());
            values.get(name).cloned().unwrap_or(Value::Null)
        }
        Literal::Int(number) => json!(number.as_i64()),
        Literal::Float(number) => json!(number),
        Literal::String(text) => json!(text),
        Literal::Boolean(yes) => json!(yes),
        Literal::Null => Value::Null,
        // Not a string: an enum's name in quotes or out of them is another thing.
        Literal::Enum(name) => json!({ "enum": name }),
        Literal::List(items) => items.iter().map(|item| plain(item, used, values)).collect(),
        Literal::Object(fields) => {
            Value::Object(fields.iter().map(|(name, item)| (name.clone(), plain(item, used, values))).collect())
        }
    }
}
