//! A request's document, checked against the schema and laid out: which fields are wanted of what,
//! under which name, with which arguments. Fragments and directives are gone by then.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{
    Definition, Directive, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet, TypeCondition,
    VariableDefinition, parse_query,
};
use serde_json::{Map, Value};

use super::{
    problem::Problem,
    schema::{self, Kind, named},
    values::Variables,
};

type Set = SelectionSet<'static, String>;
type Operation<'a> = (&'static str, Option<&'a str>, &'a [VariableDefinition<'static, String>], &'a Set);

/// What `first` is when nothing is said.
const USUAL_PAGE: f64 = 50.0;

/// A field that is wanted.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Its name in the answer.
    pub key: String,
    pub field: String,
    /// The type of the object that it is wanted of; a member of a union has fields of its own.
    pub of: String,
    pub args: Map<String, Value>,
    pub picks: Vec<Pick>,
}

/// One operation, ready to be carried out.
#[derive(Debug)]
pub struct Plan {
    pub is_mutation: bool,
    pub picks: Vec<Pick>,
    /// In Linear's points. <https://linear.app/developers/rate-limiting>
    pub complexity: f64,
}

impl Plan {
    /// # Errors
    /// When the document cannot be read or does not fit the schema.
    pub fn read(text: &str, name: Option<&str>, variables: &Map<String, Value>) -> Result<Self, Problem> {
        let document = parse_query::<String>(text).map_err(|error| {
            let line = error.to_string();
            Problem::validation(format!("Syntax Error: {}", line.lines().next().unwrap_or_default()))
        })?;
        let document = document.into_static();
        let (kind, _, definitions, set) = choose(&document.definitions, name)?;
        let fragments = document.definitions.iter().filter_map(|definition| match definition {
            Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
            Definition::Operation(_) => None,
        });
        let mut reader = Reader {
            variables: Variables::read(definitions, variables).map_err(Problem::validation)?,
            fragments: fragments.collect(),
            used: BTreeSet::new(),
        };
        let picks = reader.read(kind, set).map_err(Problem::validation)?;
        if let Some(name) = reader.variables.unused() {
            return Err(Problem::validation(format!("Variable \"${name}\" is never used.")));
        }
        if let Some(name) = reader.fragments.keys().find(|name| !reader.used.contains(**name)) {
            return Err(Problem::validation(format!("Fragment \"{name}\" is never used.")));
        }
        let complexity = picks.iter().map(cost).sum();
        Ok(Self { is_mutation: kind == "Mutation", picks, complexity })
    }
}

/// The operation of that name, or the only one.
fn choose<'a>(definitions: &'a [Definition<'static, String>], name: Option<&str>) -> Result<Operation<'a>, Problem> {
    let mut operations = definitions.iter().filter_map(|definition| match definition {
        Definition::Operation(operation) => Some(match operation {
            OperationDefinition::SelectionSet(set) => ("Query", None, &[][..], set),
            OperationDefinition::Query(query) => {
                ("Query", query.name.as_deref(), &query.variable_definitions[..], &query.selection_set)
            }
            OperationDefinition::Mutation(mutation) => {
                ("Mutation", mutation.name.as_deref(), &mutation.variable_definitions[..], &mutation.selection_set)
            }
            OperationDefinition::Subscription(subscription) => {
                ("Subscription", subscription.name.as_deref(), &[][..], &subscription.selection_set)
            }
        }),
        Definition::Fragment(_) => None,
    });
    match name {
        Some(name) => {
            let found = operations.find(|(_, found, ..)| *found == Some(name));
            found.ok_or_else(|| Problem::validation(format!("Unknown operation named \"{name}\".")))
        }
        None => match (operations.next(), operations.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Problem::validation("Must provide an operation.")),
            (Some(_), Some(_)) => {
                Err(Problem::validation("Must provide operation name if query contains multiple operations."))
            }
        },
    }
}

struct Reader<'a> {
    variables: Variables,
    fragments: BTreeMap<&'a str, &'a FragmentDefinition<'static, String>>,
    used: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, of: &str, set: &'a Set) -> Result<Vec<Pick>, String> {
        let mut picks = Vec::new();
        self.collect(of, set, &mut picks, &mut Vec::new())?;
        Ok(picks)
    }

    /// `open` holds the fragments that this is in.
    fn collect(
        &mut self,
        of: &str,
        set: &'a Set,
        picks: &mut Vec<Pick>,
        open: &mut Vec<&'a str>,
    ) -> Result<(), String> {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => {
                    let (pick, wanted) = self.field(of, field)?;
                    if wanted {
                        add(picks, pick)?;
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref().map(|TypeCondition::On(name)| name.as_str());
                    let on = narrowed(of, on.unwrap_or(of))?;
                    let mut inner = Vec::new();
                    self.collect(on, &fragment.selection_set, &mut inner, open)?;
                    if self.is_wanted(&fragment.directives)? {
                        inner.into_iter().try_for_each(|pick| add(picks, pick))?;
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let fragment = *self.fragments.get(name).ok_or_else(|| format!("Unknown fragment \"{name}\"."))?;
                    if open.contains(&name) {
                        return Err(format!("Cannot spread fragment \"{name}\" within itself."));
                    }
                    self.used.insert(&fragment.name);
                    let TypeCondition::On(on) = &fragment.type_condition;
                    let mut inner = Vec::new();
                    open.push(&fragment.name);
                    self.collect(narrowed(of, on)?, &fragment.selection_set, &mut inner, open)?;
                    open.pop();
                    if self.is_wanted(&spread.directives)? {
                        inner.into_iter().try_for_each(|pick| add(picks, pick))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, of: &str, field: &'a Field<'static, String>) -> Result<(Pick, bool), String> {
        let name = field.name.as_str();
        let key = field.alias.as_deref().unwrap_or(name).to_owned();
        let wanted = self.is_wanted(&field.directives)?;
        if name == "__typename" {
            let pick = Pick { key, field: name.to_owned(), of: of.to_owned(), args: Map::new(), picks: Vec::new() };
            return Ok((pick, wanted));
        }
        let known =
            schema::field(of, name).ok_or_else(|| format!("Cannot query field \"{name}\" on type \"{of}\"."))?;
        let args = self.variables.arguments(name, &field.arguments, &known.args)?;
        let gives = named(&known.gives);
        let is_leaf = matches!(schema::kind(gives), Some(Kind::Scalar | Kind::Enum(_)));
        let shape = &known.gives;
        let picks = match (is_leaf, field.selection_set.items.is_empty()) {
            (true, true) => Vec::new(),
            (false, false) => self.read(gives, &field.selection_set)?,
            (true, false) => {
                return Err(format!(
                    "Field \"{name}\" must not have a selection since type \"{shape}\" has no subfields."
                ));
            }
            (false, true) => {
                return Err(format!("Field \"{name}\" of type \"{shape}\" must have a selection of subfields."));
            }
        };
        Ok((Pick { key, field: name.to_owned(), of: of.to_owned(), args, picks }, wanted))
    }

    /// `@skip` and `@include`.
    fn is_wanted(&mut self, directives: &[Directive<'static, String>]) -> Result<bool, String> {
        let mut wanted = true;
        for directive in directives {
            let name = directive.name.as_str();
            if !["skip", "include"].contains(&name) {
                return Err(format!("Unknown directive \"@{name}\"."));
            }
            let shape = schema::Type::NonNullType(Box::new(schema::Type::NamedType("Boolean".to_owned())));
            let read = self.variables.arguments(name, &directive.arguments, &[("if".to_owned(), shape)].into())?;
            let yes = read.get("if") == Some(&Value::Bool(true));
            wanted &= yes == (name == "include");
        }
        Ok(wanted)
    }
}

/// The type that a fragment is on, where it can be one.
fn narrowed<'b>(of: &'b str, on: &'b str) -> Result<&'b str, String> {
    let fits = of == on
        || matches!(schema::kind(of), Some(Kind::Union(members)) if members.iter().any(|member| member == on))
        || matches!(schema::kind(on), Some(Kind::Union(members)) if members.iter().any(|member| member == of));
    match (fits, schema::kind(on)) {
        (_, None) => Err(format!("Unknown type \"{on}\".")),
        (false, Some(_)) => {
            Err(format!("Fragment cannot be spread here as objects of type \"{of}\" can never be of type \"{on}\"."))
        }
        (true, Some(Kind::Union(_))) => Ok(of),
        (true, Some(_)) => Ok(on),
    }
}

/// The same field asked for twice is one; two fields under one name are a mistake.
fn add(picks: &mut Vec<Pick>, pick: Pick) -> Result<(), String> {
    let Some(standing) = picks.iter_mut().find(|standing| standing.key == pick.key && standing.of == pick.of) else {
        picks.push(pick);
        return Ok(());
    };
    if standing.field != pick.field || standing.args != pick.args {
        return Err(format!("Fields \"{}\" conflict because they differ. Use different aliases.", pick.key));
    }
    pick.picks.into_iter().try_for_each(|inner| add(&mut standing.picks, inner))
}

/// A tenth for a property, one for an object, times the size of the page.
fn cost(pick: &Pick) -> f64 {
    if pick.picks.is_empty() {
        return 0.1;
    }
    let inner: f64 = pick.picks.iter().map(cost).sum();
    let is_page = schema::field(&pick.of, &pick.field).is_some_and(|field| named(&field.gives).ends_with("Connection"));
    if !is_page {
        return 1.0 + inner;
    }
    let size = pick.args.get("first").or(pick.args.get("last")).and_then(Value::as_f64).unwrap_or(USUAL_PAGE);
    1.0 + size * inner
}
